EXPOSURES = [
    results(f"survey/exposures/{block}.h5") for block in SETTINGS.survey.blocks
]


rule solve_iterative:
    input:
        catalogue=results("survey/input_catalogue.h5"),
        exposures=EXPOSURES,
    output:
        results("astrometry/iterative.h5"),
    log:
        logs("astrometry/solve_iterative"),
    benchmark:
        benchmarks("astrometry/solve_iterative")
    conda:
        "../../envs/gpu.yaml"
    threads: 1
    resources:
        **solver_resources(),
        mem_mb=lambda wildcards, attempt: 8000 * SETTINGS.solver.ranks * attempt,
        runtime=1440,
        start="mpiexec",
    params:
        options=solver_options(),
    shell:
        solver_command() + " {input.exposures} --catalogue {input.catalogue}"
        " --output {output} --options {params.options:q} > {log} 2>&1"


rule compare:
    input:
        solution=results("astrometry/iterative.h5"),
        stars=results("survey/stars.h5"),
        catalogue=results("survey/input_catalogue.h5"),
        injected=[
            results(f"survey/injected/{block}.h5") for block in SETTINGS.survey.blocks
        ],
    output:
        results("astrometry/comparison.h5"),
    log:
        logs("astrometry/compare"),
    benchmark:
        benchmarks("astrometry/compare")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=60,
    params:
        options=choices("compare"),
    shell:
        "galcen compare {input.solution} {input.stars} {input.catalogue} {output}"
        " {input.injected} --options {params.options:q} > {log} 2>&1"
