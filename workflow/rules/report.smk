rule report_page:
    input:
        model=results("model.h5"),
        truth=results("truth.h5"),
        merge=results("merge.h5") if SETTINGS.catalogue.source == "model" else [],
        calibration=results("calibration.h5") if SETTINGS.calibration.enabled else [],
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
        calibration=lambda wildcards, input: (
            f"--calibration {input.calibration}" if input.calibration else ""
        ),
    shell:
        "galcen report-page {input.model} {input.truth} {output} {params.merge} {params.calibration}"
        " --options {params.options:q} > {log} 2>&1"
