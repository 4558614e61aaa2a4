"""Version of each stage; raise it when a stage's results change, and the rules that use it run again."""

VERSIONS = {
    "galaxy_model": 2,
    "ingest": 1,
    "simulate": 2,
    "complete": 1,
    "likelihood": 1,
    "posterior": 3,
    "draw": 2,
    "truth": 2,
    "report_page": 1,
}
