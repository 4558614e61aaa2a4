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
        terms=terms_digest(),
        exposures=lambda wildcards, input: listed(input.exposures),
        # Functions of the resources: another number of ranks repeats nothing.
        launcher=lambda wildcards, resources: launcher(resources),
        ranks=lambda wildcards, resources: SETTINGS.solver.ranks,
    shell:
        "{params.launcher:q} galcen solve-iterative --ranks {params.ranks:q}"
        " --catalogue {input.catalogue:q} --output {output:q} --options {params.options:q}"
        " -- {params.exposures:q} > {log:q} 2>&1"


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
        options=comparison_options(),
        injected=lambda wildcards, input: listed(input.injected),
    shell:
        "galcen compare --options {params.options:q}"
        " -- {input.solution:q} {input.stars:q} {input.catalogue:q} {output:q}"
        " {params.injected:q} > {log:q} 2>&1"
