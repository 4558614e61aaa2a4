"""galcen: from survey tables, or from the model itself, to a truth catalogue of the Galactic centre.

A run's configuration is laid over config/config.yaml by --configfile; see config/README.md.
"""


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/catalogue.smk"
include: "workflow/rules/calibration.smk"
include: "workflow/rules/survey_sources.smk"
include: "workflow/rules/survey.smk"
include: "workflow/rules/expose.smk"
include: "workflow/rules/astrometry.smk"
include: "workflow/rules/judge_plate.smk"
include: "workflow/rules/solver.smk"
include: "workflow/rules/report.smk"


onstart:
    write_resolved_configuration()


rule all:
    default_target: True
    input:
        results("truth.h5") if HAS_TRUTH else [],
        results("report.html"),
        results("calibration.h5") if SETTINGS.calibration.enabled else [],
        astrometry(),


localrules:
    all,
