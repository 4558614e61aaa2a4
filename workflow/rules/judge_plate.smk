rule judge_plate:
    input:
        motion=results("astrometry/plate_motion.h5"),
        stars=results("survey/stars.h5"),
        catalogue=results("survey/input_catalogue.h5"),
        injected=[
            results(f"survey/injected/{block}.h5") for block in SETTINGS.survey.blocks
        ],
        plates=[
            results(f"astrometry/plate/{block}.h5") for block in SETTINGS.survey.blocks
        ],
    output:
        results("astrometry/plate_quality.h5"),
    log:
        logs("astrometry/judge_plate"),
    benchmark:
        benchmarks("astrometry/judge_plate")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=60,
    params:
        folder=results("survey/injected"),
        options=choices("judge_plate"),
        plates=lambda wildcards, input: listed(input.plates),
    shell:
        "galcen judge-plate --options {params.options:q}"
        " -- {input.motion:q} {input.stars:q} {input.catalogue:q}"
        " {params.folder:q} {output:q} {params.plates:q} > {log:q} 2>&1"
