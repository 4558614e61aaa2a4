rule galaxy_model:
    input:
        (
            SETTINGS.extinction.off_map
            if isinstance(SETTINGS.extinction.off_map, str)
            else []
        ),
    output:
        results("model.h5"),
    log:
        logs("galaxy_model"),
    benchmark:
        benchmarks("galaxy_model")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=20,
    params:
        options=section("galaxy_model", "tables", "galaxy", "extinction"),
        table=off_map_digest(),
    shell:
        "galcen galaxy-model --options {params.options:q} -- {output:q} > {log:q} 2>&1"
