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
    shell:
        "galcen judge-plate {input.motion} {input.stars} {input.catalogue}"
        " {params.folder} {output} {input.plates}"
        " --options {params.options:q} > {log} 2>&1"
