rule report_page:
    input:
        model=results("model.h5") if HAS_TRUTH else [],
        truth=results("truth.h5") if HAS_TRUTH else [],
        merge=(
            results("merge.h5")
            if HAS_TRUTH and SETTINGS.catalogue.source == "model"
            else []
        ),
        calibration=results("calibration.h5") if SETTINGS.calibration.enabled else [],
        plan=results("survey/plan.h5") if SETTINGS.survey.enabled else [],
        plate_quality=(
            results("astrometry/plate_quality.h5")
            if SETTINGS.survey.enabled and SETTINGS.survey.last_stage == "plates"
            else []
        ),
        comparison=(
            results("astrometry/comparison.h5") if SETTINGS.solver.enabled else []
        ),
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
        options=section(
            "report_page",
            "run",
            "seed",
            "footprint",
            "tiling",
            "catalogue",
            "posterior",
            "extinction",
            "survey_sources",
        ),
        flags=lambda wildcards, input: flags(
            input,
            "model",
            "truth",
            "merge",
            "calibration",
            "plan",
            "plate_quality",
            "comparison",
        ),
    shell:
        "galcen report-page --options {params.options:q} {params.flags:q}"
        " -- {output:q} > {log:q} 2>&1"
