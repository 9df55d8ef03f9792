FLEET_TOKEN=enrolment-token "$SHAKEDOWN" run suites/fleet-plan.yaml --dry-run --run-id golden
