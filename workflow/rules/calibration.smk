rule calibrate:
    input:
        model=results("model.h5"),
        likelihood=(
            results("likelihood.h5") if SETTINGS.posterior.method == "fast" else []
        ),
    output:
        results("calibration.h5"),
    log:
        logs("calibrate"),
    benchmark:
        benchmarks("calibrate")
    conda:
        "../../envs/cpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=240,
    params:
        options=section("calibrate", "seed", "footprint", "posterior", "calibration"),
        flags=lambda wildcards, input: flags(input, "likelihood"),
    shell:
        "galcen calibrate --options {params.options:q} {params.flags:q}"
        " -- {input.model:q} {output:q} > {log:q} 2>&1"
