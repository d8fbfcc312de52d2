"""Every suite: those that are run, and why the others are not."""

from tests.conformance import model_checking_contest, soundness_jbpt, workflow_patterns

SUITES = (soundness_jbpt.SUITE, model_checking_contest.SUITE, workflow_patterns.SUITE)

NOT_RUN = {
    "betsy": "BPMN is not read yet",
    "betsy-constraints": "BPMN is not read yet",
    "bpmn-miwg": "BPMN is not read yet",
    "event-logs": "event logs are neither imported nor compared with models yet",
    "fbpmn": "BPMN is not read yet, and collaborations are not proved",
    "serverless-workflow": "the Serverless Workflow language is not read yet",
}
