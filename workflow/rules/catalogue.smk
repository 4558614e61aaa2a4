if SETTINGS.catalogue.source == "model":

    rule simulate:
        input:
            results("model.h5"),
        output:
            results("catalogue/sky/{tile}.h5"),
            [
                results(f"catalogue/survey/{name}/{{tile}}.h5")
                for name in SETTINGS.catalogue.surveys
            ],
        log:
            logs("catalogue/simulate/{tile}"),
        benchmark:
            benchmarks("catalogue/simulate/{tile}")
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=tile_memory(2000, 10),
            runtime=60,
        params:
            folder=results("catalogue"),
            options=section("simulate", "seed", "footprint", "tiling", "catalogue"),
        shell:
            "galcen simulate --options {params.options:q}"
            " -- {wildcards.tile:q} {input:q} {params.folder:q} > {log:q} 2>&1"

else:

    rule ingest:
        input:
            table_of,
        output:
            [results(f"catalogue/survey/{{survey}}/{tile}.h5") for tile in TILES],
        log:
            logs("catalogue/ingest/{survey}"),
        benchmark:
            benchmarks("catalogue/ingest/{survey}")
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=lambda wildcards, input, attempt: int(
                (2000 + 10 * input.size_mb) * attempt
            ),
            runtime=120,
        params:
            folder=results("catalogue/survey/{survey}"),
            options=ingest_options(),
            table=lambda wildcards: digest(table_of(wildcards)),
        shell:
            "galcen ingest --options {params.options:q}"
            " -- {wildcards.survey:q} {params.folder:q} > {log:q} 2>&1"


rule complete:
    input:
        surveys_of,
    output:
        results("catalogue/complete/{tile}.h5"),
    log:
        logs("catalogue/complete/{tile}"),
    benchmark:
        benchmarks("catalogue/complete/{tile}")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=tile_memory(1000, 10),
        runtime=20,
    params:
        folder=results("catalogue/survey"),
        options=section("complete", "footprint", "tiling", "catalogue", "galaxy"),
    shell:
        "galcen complete --options {params.options:q}"
        " -- {wildcards.tile:q} {params.folder:q} {output:q} > {log:q} 2>&1"


if SETTINGS.catalogue.source == "model":

    rule judge_merge:
        input:
            [results(f"catalogue/sky/{tile}.h5") for tile in TILES],
            [results(f"catalogue/complete/{tile}.h5") for tile in TILES],
        output:
            results("merge.h5"),
        log:
            logs("judge_merge"),
        benchmark:
            benchmarks("judge_merge")
        conda:
            "../../envs/cpu.yaml"
        threads: 1
        resources:
            mem_mb=lambda wildcards, attempt: 2000 * attempt,
            runtime=60,
        params:
            folder=results("catalogue"),
            options=section("judge_merge", "footprint", "tiling", "catalogue", "galaxy"),
        shell:
            "galcen judge-merge --options {params.options:q}"
            " -- {params.folder:q} {output:q} > {log:q} 2>&1"


rule likelihood:
    input:
        results("model.h5"),
    output:
        results("likelihood.h5"),
    log:
        logs("likelihood"),
    benchmark:
        benchmarks("likelihood")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=20,
    params:
        options=choices("likelihood", error_floor=SETTINGS.posterior.error_floor),
    shell:
        "galcen likelihood --options {params.options:q}"
        " -- {input:q} {output:q} > {log:q} 2>&1"


rule posterior:
    input:
        model=results("model.h5"),
        stars=results("catalogue/complete/{tile}.h5"),
        likelihood=(
            results("likelihood.h5") if SETTINGS.posterior.method == "fast" else []
        ),
    output:
        results("catalogue/posterior/{tile}.h5"),
    log:
        logs("catalogue/posterior/{tile}"),
    benchmark:
        benchmarks("catalogue/posterior/{tile}")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=tile_memory(2500, 20),
        runtime=240,
    params:
        options=section("posterior", "seed", "posterior"),
        flags=lambda wildcards, input: flags(input, "likelihood"),
    shell:
        "galcen posterior --options {params.options:q} {params.flags:q}"
        " -- {input.model:q} {input.stars:q} {output:q} > {log:q} 2>&1"


rule draw:
    input:
        model=results("model.h5"),
        stars=results("catalogue/complete/{tile}.h5"),
        posterior=results("catalogue/posterior/{tile}.h5"),
    output:
        results("catalogue/mock/{tile}.h5"),
    log:
        logs("catalogue/draw/{tile}"),
    benchmark:
        benchmarks("catalogue/draw/{tile}")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=tile_memory(2000, 10),
        runtime=60,
    params:
        options=section("draw", "seed", "posterior", "draw"),
    shell:
        "galcen draw --options {params.options:q}"
        " -- {input.model:q} {input.stars:q} {input.posterior:q} {output:q} > {log:q} 2>&1"


rule truth:
    input:
        [results(f"catalogue/mock/{tile}.h5") for tile in TILES],
    output:
        results("truth.h5"),
    log:
        logs("truth"),
    benchmark:
        benchmarks("truth")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=120,
    params:
        folder=results("catalogue/mock"),
        # The whole configuration: this file is what is handed on.
        options=section("truth"),
    shell:
        "galcen truth --options {params.options:q} -- {params.folder:q} {output:q} > {log:q} 2>&1"
