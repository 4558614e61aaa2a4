rule expose:
    input:
        plan=results("survey/plan.h5"),
        stars=results("survey/stars.h5"),
        catalogue=results("survey/input_catalogue.h5"),
    output:
        exposures=results("survey/exposures/{orbits}.h5"),
        injected=results("survey/injected/{orbits}.h5"),
    log:
        logs("survey/expose/{orbits}"),
    benchmark:
        benchmarks("survey/expose/{orbits}")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=60,
    params:
        options=exposure_options(),
    shell:
        "galcen expose {input.plan} {input.stars} {input.catalogue}"
        " {output.exposures} {output.injected}"
        " --orbits {wildcards.orbits} --options {params.options:q} > {log} 2>&1"
