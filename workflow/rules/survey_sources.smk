rule survey_sources:
    input:
        (
            results("truth.h5")
            if SETTINGS.survey_sources.table is None
            else SETTINGS.survey_sources.table.path
        ),
    output:
        stars=results("survey/stars.h5"),
        catalogue=results("survey/input_catalogue.h5"),
    log:
        logs("survey/survey_sources"),
    benchmark:
        benchmarks("survey/survey_sources")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=30,
    params:
        options=section("survey_sources", "seed", "galaxy", "survey_sources"),
    shell:
        "galcen survey-sources {input} {output.stars} {output.catalogue}"
        " --options {params.options:q} > {log} 2>&1"
