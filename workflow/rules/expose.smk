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
        "galcen expose --orbits {wildcards.orbits:q} --options {params.options:q}"
        " -- {input.plan:q} {input.stars:q} {input.catalogue:q}"
        " {output.exposures:q} {output.injected:q} > {log:q} 2>&1"
