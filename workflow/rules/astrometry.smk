rule plate:
    input:
        exposures=results("survey/exposures/{orbits}.h5"),
        catalogue=results("survey/input_catalogue.h5"),
    output:
        results("astrometry/plate/{orbits}.h5"),
    log:
        logs("astrometry/plate/{orbits}"),
    benchmark:
        benchmarks("astrometry/plate/{orbits}")
    conda:
        "../../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=240,
    params:
        options=plate_options(),
    shell:
        "galcen plate --options {params.options:q}"
        " -- {input.exposures:q} {input.catalogue:q} {output:q} > {log:q} 2>&1"


rule plate_motion:
    input:
        catalogue=results("survey/input_catalogue.h5"),
        plates=[
            results(f"astrometry/plate/{block}.h5") for block in SETTINGS.survey.blocks
        ],
    output:
        results("astrometry/plate_motion.h5"),
    log:
        logs("astrometry/plate_motion"),
    benchmark:
        benchmarks("astrometry/plate_motion")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        options=plate_motion_options(),
        plates=lambda wildcards, input: listed(input.plates),
    shell:
        "galcen plate-motion --options {params.options:q}"
        " -- {input.catalogue:q} {output:q} {params.plates:q} > {log:q} 2>&1"
