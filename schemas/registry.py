"""Every message, once: its body, its public type and the version of its schema."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas import (
    activity_type_commands,
    activity_type_events,
    activity_types,
    approval_commands,
    approval_events,
    channel_events,
    commands,
    compensation_events,
    condition_events,
    data_events,
    definition_events,
    definitions,
    events,
    iteration_events,
    lock_events,
    replies,
    restart_commands,
    restart_events,
    results,
    tasks,
    telemetry,
    wait_events,
)

MESSAGES: Final[dict[type[msgspec.Struct], str]] = {
    commands.RunInstance: "RunInstance",
    commands.CreateInstance: "CreateInstance",
    commands.StartInstance: "StartInstance",
    commands.SuspendInstance: "SuspendInstance",
    commands.ResumeInstance: "ResumeInstance",
    commands.CancelInstance: "CancelInstance",
    commands.TerminateInstance: "TerminateInstance",
    commands.DeleteInstance: "DeleteInstance",
    commands.RetryIncident: "RetryIncident",
    restart_commands.RestartFailed: "RestartFailed",
    commands.SkipNode: "SkipNode",
    commands.CompleteNode: "CompleteNode",
    commands.SetVariables: "SetVariables",
    commands.PublishDefinition: "PublishDefinition",
    activity_type_commands.RegisterActivityType: "RegisterActivityType",
    activity_type_commands.RemoveActivityType: "RemoveActivityType",
    commands.PublishMessage: "PublishMessage",
    commands.BroadcastSignal: "BroadcastSignal",
    commands.AcquireLock: "AcquireLock",
    commands.ExtendLock: "ExtendLock",
    commands.ReleaseLock: "ReleaseLock",
    commands.ForceReleaseLock: "ForceReleaseLock",
    approval_commands.ClaimApproval: "ClaimApproval",
    approval_commands.ReleaseApproval: "ReleaseApproval",
    approval_commands.CompleteApproval: "CompleteApproval",
    approval_commands.DelegateApproval: "DelegateApproval",
    approval_commands.AssignApproval: "AssignApproval",
    approval_commands.CommentApproval: "CommentApproval",
    approval_commands.AttachDocument: "AttachDocument",
    approval_commands.DetachDocument: "DetachDocument",
    commands.StartChild: "StartChild",
    commands.TriggerInstance: "TriggerInstance",
    commands.CompleteCall: "CompleteCall",
    commands.FailCall: "FailCall",
    commands.CompensateInstance: "CompensateInstance",
    commands.DiscardCompensation: "DiscardCompensation",
    commands.RequestLock: "RequestLock",
    commands.ReturnLock: "ReturnLock",
    commands.LockGranted: "LockGranted",
    commands.LockRefused: "LockRefused",
    commands.LockLost: "LockLost",
    commands.Continue: "Continue",
    commands.FireTimer: "FireTimer",
    commands.OpenSubscription: "OpenSubscription",
    commands.CloseSubscription: "CloseSubscription",
    commands.AcceptMessage: "AcceptMessage",
    commands.RejectMessage: "RejectMessage",
    commands.Correlate: "Correlate",
    commands.SubscriptionClosed: "SubscriptionClosed",
    commands.ContinueBroadcast: "ContinueBroadcast",
    results.CompleteActivity: "CompleteActivity",
    results.FailActivity: "FailActivity",
    results.ReportActivityStarted: "ReportActivityStarted",
    results.HeartbeatActivity: "HeartbeatActivity",
    results.RecordVerdict: "RecordVerdict",
    events.WorkflowCreated: "workflow.created",
    events.WorkflowStarted: "workflow.started",
    events.WorkflowSuspended: "workflow.suspended",
    events.WorkflowResumed: "workflow.resumed",
    events.WorkflowCompleted: "workflow.completed",
    events.WorkflowFailed: "workflow.failed",
    restart_events.WorkflowRestarted: "workflow.restarted",
    events.WorkflowCancelled: "workflow.cancelled",
    events.WorkflowTerminated: "workflow.terminated",
    events.WorkflowDeleted: "workflow.deleted",
    events.ActivityScheduled: "activity.scheduled",
    events.ActivityStarted: "activity.started",
    events.ActivityCompleted: "activity.completed",
    events.ActivityFailed: "activity.failed",
    events.ActivityCancelled: "activity.cancelled",
    events.TimerScheduled: "timer.scheduled",
    events.CallStarted: "call.started",
    events.CallFailed: "call.failed",
    events.CompensationStarted: "compensation.started",
    events.NodeExecuted: "node.executed",
    events.ScopeStarted: "scope.started",
    events.EventAwaited: "event.awaited",
    events.EventTriggered: "event.triggered",
    wait_events.WaitProgressed: "wait.progressed",
    events.ErrorOccurred: "error.occurred",
    events.IncidentResolved: "incident.resolved",
    events.NodeSkipped: "node.skipped",
    events.NodeCompleted: "node.completed",
    events.VariablesSet: "variables.set",
    condition_events.ConditionEnded: "condition.ended",
    events.NotificationRequested: "notification.requested",
    events.NotificationCompleted: "notification.completed",
    events.NotificationFailed: "notification.failed",
    compensation_events.CompensationRecorded: "compensation.recorded",
    compensation_events.CompensationTriggered: "compensation.triggered",
    compensation_events.HandlerStarted: "handler.started",
    compensation_events.HandlerCompleted: "handler.completed",
    compensation_events.WorkflowCompensated: "workflow.compensated",
    compensation_events.CompensationDiscarded: "compensation.discarded",
    iteration_events.IterationStarted: "iteration.started",
    iteration_events.ItemsListed: "items.listed",
    iteration_events.ItemStarted: "item.started",
    iteration_events.ItemCompleted: "item.completed",
    iteration_events.IterationCompleted: "iteration.completed",
    data_events.VariablesObserved: "variables.observed",
    approval_events.ApprovalRequested: "approval.requested",
    approval_events.ApprovalClaimed: "approval.claimed",
    approval_events.ApprovalReleased: "approval.released",
    approval_events.ApprovalDelegated: "approval.delegated",
    approval_events.ApprovalAssigned: "approval.assigned",
    approval_events.ApprovalCommented: "approval.commented",
    approval_events.ApprovalDocumentAttached: "approval.document_attached",
    approval_events.ApprovalDocumentDetached: "approval.document_detached",
    approval_events.ApprovalEscalated: "approval.escalated",
    approval_events.ApprovalCompleted: "approval.completed",
    approval_events.ApprovalCancelled: "approval.cancelled",
    activity_type_events.ActivityTypeRegistered: "activity_type.registered",
    activity_type_events.ActivityTypeRemoved: "activity_type.removed",
    definition_events.DefinitionSubmitted: "definition.submitted",
    definition_events.DefinitionPublished: "definition.published",
    definition_events.DefinitionRefused: "definition.refused",
    channel_events.MessagePublished: "message.published",
    channel_events.MessageOffered: "message.offered",
    channel_events.MessageCorrelated: "message.correlated",
    channel_events.MessageRejected: "message.rejected",
    channel_events.MessageExpired: "message.expired",
    channel_events.SignalBroadcast: "signal.broadcast",
    channel_events.SubscriptionOpened: "subscription.opened",
    channel_events.SubscriptionEnded: "subscription.ended",
    lock_events.LockRequested: "lock.requested",
    lock_events.LockAcquired: "lock.acquired",
    lock_events.LockExtended: "lock.extended",
    lock_events.LockReleased: "lock.released",
    lock_events.LockRequestRefused: "lock.refused",
    tasks.ActivityTask: "ActivityTask",
    tasks.ActivityCancellation: "ActivityCancellation",
    replies.Reply: "Reply",
    telemetry.Reading: "Reading",
    telemetry.DeviceCommand: "DeviceCommand",
    telemetry.DeviceState: "DeviceState",
    telemetry.DeviceEvent: "DeviceEvent",
    definitions.DefinitionRecord: "DefinitionRecord",
    activity_types.ActivityTypeRecord: "ActivityTypeRecord",
}
"""Public type by body class."""

BODIES: Final[dict[str, type[msgspec.Struct]]] = {name: body for body, name in MESSAGES.items()}
"""Body class by public type."""

VERSIONS: Final[dict[str, int]] = {
    "RunInstance": 2,
    "CreateInstance": 2,
    "WorkflowCreated": 2,
    "WorkflowStarted": 2,
    "ActivityStarted": 2,
    "PublishDefinition": 2,
    "DefinitionSubmitted": 2,
    "DefinitionPublished": 3,
    "DefinitionRefused": 2,
    "DefinitionRecord": 2,
    "ActivityFailed": 2,
    "CompleteNode": 2,
    "NotificationRequested": 2,
    "CancelInstance": 2,
    "WorkflowFailed": 2,
    "CompleteCall": 2,
    "EventAwaited": 2,
    "EventTriggered": 2,
}
"""Present schema version by class name, where it is not 1."""

_COMMAND_MODULES: Final = tuple(
    module.__name__
    for module in (commands, restart_commands, activity_type_commands, approval_commands)
)
_EVENTS: Final = (
    events,
    wait_events,
    iteration_events,
    activity_type_events,
    approval_events,
    channel_events,
    compensation_events,
    condition_events,
    data_events,
    definition_events,
    lock_events,
    restart_events,
)
_EVENT_MODULES: Final = tuple(module.__name__ for module in _EVENTS)
EVENT_TYPES: Final = tuple(
    name for body, name in MESSAGES.items() if body.__module__ in _EVENT_MODULES
)
COMMAND_TYPES: Final = tuple(
    name for body, name in MESSAGES.items() if body.__module__ in _COMMAND_MODULES
)
RESULT_TYPES: Final = tuple(
    name
    for body, name in MESSAGES.items()
    if body.__module__ == results.__name__ or name == "RegisterActivityType"
)
"""A worker may report what it can do, and a command may say it."""
CLIENT_COMMAND_TYPES: Final = COMMAND_TYPES[: COMMAND_TYPES.index("StartChild")]


def public_type(body: msgspec.Struct) -> str:
    """Return the public type of a body; `KeyError` where it is no message."""
    return MESSAGES[type(body)]
