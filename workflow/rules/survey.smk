rule exposure_plan:
    input:
        truth=results("truth.h5"),
    output:
        results("survey/plan.h5"),
    log:
        logs("exposure_plan"),
    benchmark:
        benchmarks("exposure_plan")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        options=plan_options(),
    shell:
        "galcen exposure-plan {output} --truth {input.truth}"
        " --options {params.options:q} > {log} 2>&1"
