rule report_page:
    input:
        model=results("model.h5"),
        truth=results("truth.h5"),
        merge=results("merge.h5") if SETTINGS.catalogue.source == "model" else [],
    output:
        report(
            results("report.html"),
            caption="../report/report.rst",
            category="Overview",
            labels={"page": "truth catalogue"},
        ),
    log:
        logs("report_page"),
    benchmark:
        benchmarks("report_page")
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        merge=lambda wildcards, input: f"--merge {input.merge}" if input.merge else "",
        options=section(
            "report_page",
            "run",
            "seed",
            "footprint",
            "tiling",
            "catalogue",
            "posterior",
            "extinction",
        ),
    shell:
        "galcen report-page {input.model} {input.truth} {output} {params.merge}"
        " --options {params.options:q} > {log} 2>&1"
