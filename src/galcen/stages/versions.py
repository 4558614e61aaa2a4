"""Version of each stage; raise it when a stage's results change, and the rules that use it run again."""

VERSIONS = {
    "galaxy_model": 3,
    "ingest": 4,
    "simulate": 6,
    "complete": 3,
    "judge_merge": 1,
    "likelihood": 1,
    "posterior": 5,
    "draw": 7,
    "calibrate": 1,
    "truth": 5,
    "joint_plates": 2,
    "report_page": 6,
    "survey_sources": 3,
    "exposure_plan": 1,
    "expose": 2,
    "plate": 2,
    "plate_motion": 2,
    "judge_plate": 1,
    "solve_iterative": 2,
    "compare": 2,
}
