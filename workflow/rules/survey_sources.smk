rule survey_sources:
    input:
        sources_of,
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
        table=sources_digest,
    shell:
        "galcen survey-sources --options {params.options:q}"
        " -- {input:q} {output.stars:q} {output.catalogue:q} > {log:q} 2>&1"
