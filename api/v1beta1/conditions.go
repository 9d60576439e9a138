// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1beta1

// The condition types of a Workspace. Each carries the observedGeneration that it speaks of.
const (
	// ConditionReady is the summary: everything that was asked for works.
	ConditionReady = "Ready"
	// ConditionReconciling is present while something is under way (kstatus).
	ConditionReconciling = "Reconciling"
	// ConditionStalled is present while nothing can go on before somebody changes something (kstatus).
	ConditionStalled = "Stalled"
	// ConditionResourceReady: enough Ready nodes with enough GPUs match resource.
	ConditionResourceReady = "ResourceReady"
	// ConditionInferenceReady: every replica of the current workload revision serves.
	ConditionInferenceReady = "InferenceReady"
	// ConditionInferencePoolReady: pool and Endpoint Picker of the wanted chart are deployed and available. Absent when
	// the feature gate is off.
	ConditionInferencePoolReady = "InferencePoolReady"
	// ConditionRouteReady: the Gateway accepted our route, resolved the pool, and asks its Endpoint Picker. Absent when no
	// route is asked for.
	ConditionRouteReady = "RouteReady"
	// ConditionWorkspaceSucceeded has Ready's value, for those who read KAITO's condition.
	ConditionWorkspaceSucceeded = "WorkspaceSucceeded"
)

// The reasons of all conditions: a closed list, documented in docs/conditions.md with what to do about each.
const (
	// ReasonReady is the reason of every True Ready and WorkspaceSucceeded.
	ReasonReady = "Ready"

	// ReasonNodesReady and ReasonInsufficientNodes are ResourceReady's.
	ReasonNodesReady        = "NodesReady"
	ReasonInsufficientNodes = "InsufficientNodes"

	// Reasons for which the Workspace, or what it names, must be changed (Stalled).
	ReasonUnknownPreset          = "UnknownPreset"
	ReasonModelDoesNotFit        = "ModelDoesNotFit"
	ReasonUnsupportedInstance    = "UnsupportedInstanceType"
	ReasonInvalidInferenceConfig = "InvalidInferenceConfig"
	ReasonAdapterNotServable     = "AdapterNotServable"
	ReasonRuntimeNotSupported    = "RuntimeNotSupported"
	ReasonInvalidTemplate        = "InvalidTemplate"
	ReasonNameTaken              = "NameTaken"

	// ReasonConfigNotFound, ReasonSecretNotFound and ReasonCRDNotFound name what is missing; the operator continues when
	// it appears.
	ReasonConfigNotFound = "ConfigNotFound"
	ReasonSecretNotFound = "SecretNotFound"
	ReasonCRDNotFound    = "CRDNotFound"

	// ReasonWorkloadRejected carries the API server's refusal: quota, policy, Pod Security, admission webhook.
	ReasonWorkloadRejected = "WorkloadRejected"
	// ReasonReconcileError is an error that is retried with backoff.
	ReasonReconcileError = "ReconcileError"
	// ReasonProgressing is the reason of Reconciling when no other is more precise.
	ReasonProgressing = "Progressing"
	// ReasonNotPlanned is the reason of conditions that cannot be judged before the Workspace itself is corrected.
	ReasonNotPlanned = "NotPlanned"

	// Reasons of InferenceReady.
	ReasonReplicasReady              = "ReplicasReady"
	ReasonScaledToZero               = "ScaledToZero"
	ReasonLoadingModel               = "LoadingModel"
	ReasonRolloutInProgress          = "RolloutInProgress"
	ReasonPodsNotCreated             = "PodsNotCreated"
	ReasonUnschedulable              = "Unschedulable"
	ReasonImagePullBackOff           = "ImagePullBackOff"
	ReasonInvalidImageName           = "InvalidImageName"
	ReasonCreateContainerConfigError = "CreateContainerConfigError"
	ReasonCreateContainerError       = "CreateContainerError"
	ReasonCrashLoopBackOff           = "CrashLoopBackOff"
	ReasonOOMKilled                  = "OOMKilled"
	ReasonEvicted                    = "Evicted"

	// Reasons of InferencePoolReady.
	ReasonPoolReady               = "PoolReady"
	ReasonPoolProgressing         = "PoolProgressing"
	ReasonSuspended               = "Suspended"
	ReasonChartNotReady           = "ChartNotReady"
	ReasonEPPNotAvailable         = "EndpointPickerNotAvailable"
	ReasonShapeUnknown            = "ShapeUnknown"
	ReasonSelectorDrift           = "SelectorDoesNotMatch"
	ReasonInferencePoolNotManaged = "InferencePoolMissing"

	// Reasons of RouteReady.
	ReasonRouteReady             = "RouteReady"
	ReasonRouteProgressing       = "RouteProgressing"
	ReasonGatewayNotFound        = "GatewayNotFound"
	ReasonListenerNotFound       = "ListenerNotFound"
	ReasonNotAllowedByListeners  = "NotAllowedByListeners"
	ReasonNoMatchingHostname     = "NoMatchingListenerHostname"
	ReasonGatewayNotReady        = "GatewayNotReady"
	ReasonGatewayClassNotReady   = "GatewayClassNotReady"
	ReasonPoolNotSupported       = "InferencePoolNotSupported"
	ReasonRouteNotAccepted       = "RouteNotAccepted"
	ReasonRouteNotResolved       = "RouteNotResolved"
	ReasonRouteConflict          = "RouteConflict"
	ReasonModelsNotNamed         = "ModelsNotNamed"
	ReasonRouteWithoutPool       = "RouteWithoutPool"
	ReasonTLSNotSupported        = "EndpointPickerTLSNotSupported"
	ReasonPickerBypassed         = "EndpointPickerBypassed"
	ReasonGatewayNotReachable    = "GatewayNotReachable"
	ReasonGatewayRequestFailed   = "GatewayRequestFailed"
	ReasonProbeRefused           = "GatewayRefusesProbe"
	ReasonDestinationRule        = "DestinationRuleConflict"
	ReasonBodyRoutingNotReady    = "BodyBasedRoutingNotReady"
	ReasonCertificateUnavailable = "CertificateNotAvailable"

	// Flux's own reasons, passed through from OCIRepository and HelmRelease with their message.
	ReasonAuthenticationFailed   = "AuthenticationFailed"
	ReasonOCIArtifactPullFailed  = "OCIArtifactPullFailed"
	ReasonOCIArtifactLayerFailed = "OCIArtifactLayerOperationFailed"
	ReasonVerificationError      = "VerificationError"
	ReasonURLInvalid             = "URLInvalid"
	ReasonInstallFailed          = "InstallFailed"
	ReasonUpgradeFailed          = "UpgradeFailed"
	ReasonUninstallFailed        = "UninstallFailed"
	ReasonArtifactFailed         = "ArtifactFailed"
	ReasonValuesError            = "ValuesError"
	ReasonChartMutateError       = "ChartMutateError"
	ReasonAccessDenied           = "AccessDenied"
	ReasonStateError             = "StateError"
	ReasonRetriesExceeded        = "RetriesExceeded"
)
