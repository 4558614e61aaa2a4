rule exposure_plan:
    input:
        results("survey/stars.h5"),
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
        "galcen exposure-plan --stars {input:q} --options {params.options:q}"
        " -- {output:q} > {log:q} 2>&1"
