"""The types of Kubernetes objects, for pyright and editors alone: never imported at run time.

Made by scripts/kinds.py, a test holds the two together. Don't edit it: add the kind there, and run that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

import pulumi


class Affinity(TypedDict):
    nodeAffinity: NotRequired[NodeAffinity]
    podAffinity: NotRequired[PodAffinity]
    podAntiAffinity: NotRequired[PodAntiAffinity]


class AppArmorProfile(TypedDict):
    type: str
    localhostProfile: NotRequired[str]


class CSIPersistentVolumeSource(TypedDict):
    driver: str
    volumeHandle: str
    controllerExpandSecretRef: NotRequired[SecretReference]
    controllerPublishSecretRef: NotRequired[SecretReference]
    fsType: NotRequired[str]
    nodeExpandSecretRef: NotRequired[SecretReference]
    nodePublishSecretRef: NotRequired[SecretReference]
    nodeStageSecretRef: NotRequired[SecretReference]
    readOnly: NotRequired[bool]
    volumeAttributes: NotRequired[Mapping[str, str]]


class CSIVolumeSource(TypedDict):
    driver: str
    fsType: NotRequired[str]
    nodePublishSecretRef: NotRequired[LocalObjectReference]
    readOnly: NotRequired[bool]
    volumeAttributes: NotRequired[Mapping[str, str]]


class Capabilities(TypedDict):
    add: NotRequired[list[str]]
    drop: NotRequired[list[str]]


class ClientIPConfig(TypedDict):
    timeoutSeconds: NotRequired[int]


class ClusterTrustBundleProjection(TypedDict):
    path: str
    labelSelector: NotRequired[LabelSelector]
    name: NotRequired[str]
    optional: NotRequired[bool]
    signerName: NotRequired[str]
    user: NotRequired[int]


class ConfigMap(TypedDict):
    apiVersion: Literal["v1"]
    kind: Literal["ConfigMap"]
    binaryData: NotRequired[Mapping[str, str]]
    data: NotRequired[Mapping[str, str]]
    immutable: NotRequired[bool]
    metadata: ObjectMeta


class ConfigMapEnvSource(TypedDict):
    name: NotRequired[str]
    optional: NotRequired[bool]


class ConfigMapKeySelector(TypedDict):
    key: str
    name: NotRequired[str]
    optional: NotRequired[bool]


class ConfigMapProjection(TypedDict):
    items: NotRequired[list[KeyToPath]]
    name: NotRequired[str]
    optional: NotRequired[bool]


class ConfigMapVolumeSource(TypedDict):
    defaultMode: NotRequired[int]
    defaultUser: NotRequired[int]
    items: NotRequired[list[KeyToPath]]
    name: NotRequired[str]
    optional: NotRequired[bool]


class ContainerMore(TypedDict):
    args: NotRequired[list[str]]
    envFrom: NotRequired[list[EnvFromSource]]
    lifecycle: NotRequired[Lifecycle]
    livenessProbe: NotRequired[Probe]
    ports: NotRequired[list[ContainerPort]]
    readinessProbe: NotRequired[Probe]
    resizePolicy: NotRequired[list[ContainerResizePolicy]]
    restartPolicy: NotRequired[str]
    restartPolicyRules: NotRequired[list[ContainerRestartRule]]
    startupProbe: NotRequired[Probe]
    stdin: NotRequired[bool]
    stdinOnce: NotRequired[bool]
    terminationMessagePath: NotRequired[str]
    tty: NotRequired[bool]
    volumeDevices: NotRequired[list[VolumeDevice]]
    workingDir: NotRequired[str]


class Container(ContainerMore):
    name: str
    command: NotRequired[list[str]]
    env: NotRequired[list[EnvVar]]
    image: NotRequired[str]
    imagePullPolicy: NotRequired[str]
    resources: NotRequired[ResourceRequirements]
    securityContext: NotRequired[SecurityContext]
    terminationMessagePolicy: NotRequired[str]
    volumeMounts: NotRequired[list[VolumeMount]]


class ContainerPort(TypedDict):
    containerPort: int
    hostIP: NotRequired[str]
    hostPort: NotRequired[int]
    name: NotRequired[str]
    protocol: NotRequired[str]


class ContainerResizePolicy(TypedDict):
    resourceName: str
    restartPolicy: str


class ContainerRestartRule(TypedDict):
    action: str
    exitCodes: NotRequired[ContainerRestartRuleOnExitCodes]


class ContainerRestartRuleOnExitCodes(TypedDict):
    operator: str
    values: NotRequired[list[int]]


class CronJob(TypedDict):
    apiVersion: Literal["batch/v1"]
    kind: Literal["CronJob"]
    spec: CronJobSpec
    metadata: ObjectMeta


class CronJobSpec(TypedDict):
    jobTemplate: JobTemplateSpec
    schedule: str
    concurrencyPolicy: NotRequired[str]
    failedJobsHistoryLimit: NotRequired[int]
    startingDeadlineSeconds: NotRequired[int]
    successfulJobsHistoryLimit: NotRequired[int]
    suspend: NotRequired[bool]
    timeZone: NotRequired[str]


class Deployment(TypedDict):
    apiVersion: Literal["apps/v1"]
    kind: Literal["Deployment"]
    spec: DeploymentSpec
    metadata: ObjectMeta


class DeploymentSpec(TypedDict):
    selector: LabelSelector
    template: PodTemplateSpec
    minReadySeconds: NotRequired[int]
    paused: NotRequired[bool]
    progressDeadlineSeconds: NotRequired[int]
    replicas: NotRequired[int]
    revisionHistoryLimit: NotRequired[int]
    strategy: NotRequired[DeploymentStrategy]


class DeploymentStrategy(TypedDict):
    rollingUpdate: NotRequired[RollingUpdateDeployment]
    type: NotRequired[str]


class DownwardAPIProjection(TypedDict):
    items: NotRequired[list[DownwardAPIVolumeFile]]


class DownwardAPIVolumeFile(TypedDict):
    path: str
    fieldRef: NotRequired[ObjectFieldSelector]
    mode: NotRequired[int]
    resourceFieldRef: NotRequired[ResourceFieldSelector]
    user: NotRequired[int]


class DownwardAPIVolumeSource(TypedDict):
    defaultMode: NotRequired[int]
    defaultUser: NotRequired[int]
    items: NotRequired[list[DownwardAPIVolumeFile]]


class EmptyDirVolumeSource(TypedDict):
    medium: NotRequired[str]
    mode: NotRequired[int]
    sizeLimit: NotRequired[str]


class EnvFromSource(TypedDict):
    configMapRef: NotRequired[ConfigMapEnvSource]
    prefix: NotRequired[str]
    secretRef: NotRequired[SecretEnvSource]


class EnvVar(TypedDict):
    name: str
    value: NotRequired[str]
    valueFrom: NotRequired[EnvVarSource]


class EnvVarSource(TypedDict):
    configMapKeyRef: NotRequired[ConfigMapKeySelector]
    fieldRef: NotRequired[ObjectFieldSelector]
    fileKeyRef: NotRequired[FileKeySelector]
    resourceFieldRef: NotRequired[ResourceFieldSelector]
    secretKeyRef: NotRequired[SecretKeySelector]


class EphemeralVolumeSource(TypedDict):
    volumeClaimTemplate: NotRequired[PersistentVolumeClaimTemplate]


class EvictionResponder(TypedDict):
    name: str
    priority: int


class ExecAction(TypedDict):
    command: NotRequired[list[str]]


class FileKeySelector(TypedDict):
    key: str
    path: str
    volumeName: str
    optional: NotRequired[bool]


class GRPCAction(TypedDict):
    port: int
    mode: NotRequired[str]
    service: NotRequired[str]


class HTTPGetAction(TypedDict):
    port: int | str
    host: NotRequired[str]
    httpHeaders: NotRequired[list[HTTPHeader]]
    path: NotRequired[str]
    protocol: NotRequired[str]
    scheme: NotRequired[str]


class HTTPHeader(TypedDict):
    name: str
    value: str


class HTTPIngressPath(TypedDict):
    backend: IngressBackend
    pathType: str
    path: NotRequired[str]


class HTTPIngressRuleValue(TypedDict):
    paths: list[HTTPIngressPath]


class HostAlias(TypedDict):
    ip: str
    hostnames: NotRequired[list[str]]


class HostPathVolumeSource(TypedDict):
    path: str
    type: NotRequired[str]


IPBlock = TypedDict(
    "IPBlock",
    {
        "cidr": "str",
        "except": "NotRequired[list[str]]",
    },
)


class ImageVolumeSource(TypedDict):
    pullPolicy: NotRequired[str]
    reference: NotRequired[str]


class Ingress(TypedDict):
    apiVersion: Literal["networking.k8s.io/v1"]
    kind: Literal["Ingress"]
    metadata: ObjectMeta
    spec: NotRequired[IngressSpec]


class IngressBackend(TypedDict):
    resource: NotRequired[TypedLocalObjectReference]
    service: NotRequired[IngressServiceBackend]


class IngressRule(TypedDict):
    host: NotRequired[str]
    http: NotRequired[HTTPIngressRuleValue]


class IngressServiceBackend(TypedDict):
    name: str
    port: NotRequired[ServiceBackendPort]


class IngressSpec(TypedDict):
    defaultBackend: NotRequired[IngressBackend]
    ingressClassName: NotRequired[str]
    rules: NotRequired[list[IngressRule]]
    tls: NotRequired[list[IngressTLS]]


class IngressTLS(TypedDict):
    hosts: NotRequired[list[str]]
    secretName: NotRequired[str]


class Job(TypedDict):
    apiVersion: Literal["batch/v1"]
    kind: Literal["Job"]
    metadata: ObjectMeta
    spec: NotRequired[JobSpec]


class JobSpec(TypedDict):
    template: PodTemplateSpec
    activeDeadlineSeconds: NotRequired[int]
    backoffLimit: NotRequired[int]
    backoffLimitPerIndex: NotRequired[int]
    completionMode: NotRequired[str]
    completions: NotRequired[int]
    managedBy: NotRequired[str]
    manualSelector: NotRequired[bool]
    maxFailedIndexes: NotRequired[int]
    parallelism: NotRequired[int]
    podFailurePolicy: NotRequired[PodFailurePolicy]
    podReplacementPolicy: NotRequired[str]
    selector: NotRequired[LabelSelector]
    successPolicy: NotRequired[SuccessPolicy]
    suspend: NotRequired[bool]
    ttlSecondsAfterFinished: NotRequired[int]


class JobTemplateSpec(TypedDict):
    metadata: NotRequired[ObjectMeta]
    spec: NotRequired[JobSpec]


class KeyToPath(TypedDict):
    key: str
    path: str
    mode: NotRequired[int]
    user: NotRequired[int]


class LabelSelector(TypedDict):
    matchExpressions: NotRequired[list[LabelSelectorRequirement]]
    matchLabels: NotRequired[Mapping[str, str]]


class LabelSelectorRequirement(TypedDict):
    key: str
    operator: str
    values: NotRequired[list[str]]


class Lifecycle(TypedDict):
    postStart: NotRequired[LifecycleHandler]
    preStop: NotRequired[LifecycleHandler]
    stopSignal: NotRequired[str]


class LifecycleHandler(TypedDict):
    exec: NotRequired[ExecAction]
    httpGet: NotRequired[HTTPGetAction]
    sleep: NotRequired[SleepAction]
    tcpSocket: NotRequired[TCPSocketAction]


class LocalObjectReference(TypedDict):
    name: NotRequired[str]


class LocalVolumeSource(TypedDict):
    path: str
    fsType: NotRequired[str]


class Namespace(TypedDict):
    apiVersion: Literal["v1"]
    kind: Literal["Namespace"]
    metadata: ObjectMeta
    spec: NotRequired[NamespaceSpec]


class NamespaceSpec(TypedDict):
    finalizers: NotRequired[list[str]]


class NetworkPolicy(TypedDict):
    apiVersion: Literal["networking.k8s.io/v1"]
    kind: Literal["NetworkPolicy"]
    metadata: ObjectMeta
    spec: NotRequired[NetworkPolicySpec]


class NetworkPolicyEgressRule(TypedDict):
    ports: NotRequired[list[NetworkPolicyPort]]
    to: NotRequired[list[NetworkPolicyPeer]]


NetworkPolicyIngressRule = TypedDict(
    "NetworkPolicyIngressRule",
    {
        "from": "NotRequired[list[NetworkPolicyPeer]]",
        "ports": "NotRequired[list[NetworkPolicyPort]]",
    },
)


class NetworkPolicyPeer(TypedDict):
    ipBlock: NotRequired[IPBlock]
    namespaceSelector: NotRequired[LabelSelector]
    podSelector: NotRequired[LabelSelector]


class NetworkPolicyPort(TypedDict):
    endPort: NotRequired[int]
    port: NotRequired[int | str]
    protocol: NotRequired[str]


class NetworkPolicySpec(TypedDict):
    egress: NotRequired[list[NetworkPolicyEgressRule]]
    ingress: NotRequired[list[NetworkPolicyIngressRule]]
    podSelector: NotRequired[LabelSelector]
    policyTypes: NotRequired[list[str]]


class NodeAffinity(TypedDict):
    preferredDuringSchedulingIgnoredDuringExecution: NotRequired[list[PreferredSchedulingTerm]]
    requiredDuringSchedulingIgnoredDuringExecution: NotRequired[NodeSelector]


class NodeSelector(TypedDict):
    nodeSelectorTerms: list[NodeSelectorTerm]


class NodeSelectorRequirement(TypedDict):
    key: str
    operator: str
    values: NotRequired[list[str]]


class NodeSelectorTerm(TypedDict):
    matchExpressions: NotRequired[list[NodeSelectorRequirement]]
    matchFields: NotRequired[list[NodeSelectorRequirement]]


class ObjectFieldSelector(TypedDict):
    fieldPath: str
    apiVersion: NotRequired[str]


class ObjectMeta(TypedDict):
    annotations: NotRequired[Mapping[str, str]]
    creationTimestamp: NotRequired[str]
    deletionGracePeriodSeconds: NotRequired[int]
    deletionTimestamp: NotRequired[str]
    finalizers: NotRequired[list[str]]
    generateName: NotRequired[str]
    generation: NotRequired[int]
    labels: NotRequired[Mapping[str, str]]
    name: NotRequired[pulumi.Input[str]]
    namespace: NotRequired[pulumi.Input[str]]
    ownerReferences: NotRequired[list[OwnerReference]]
    resourceVersion: NotRequired[str]
    selfLink: NotRequired[str]
    uid: NotRequired[str]


class ObjectReference(TypedDict):
    apiVersion: NotRequired[str]
    fieldPath: NotRequired[str]
    kind: NotRequired[str]
    name: NotRequired[str]
    namespace: NotRequired[pulumi.Input[str]]
    resourceVersion: NotRequired[str]
    uid: NotRequired[str]


class OwnerReference(TypedDict):
    apiVersion: str
    kind: str
    name: str
    uid: str
    blockOwnerDeletion: NotRequired[bool]
    controller: NotRequired[bool]


class PersistentVolume(TypedDict):
    apiVersion: Literal["v1"]
    kind: Literal["PersistentVolume"]
    metadata: ObjectMeta
    spec: NotRequired[PersistentVolumeSpec]


class PersistentVolumeClaim(TypedDict):
    apiVersion: Literal["v1"]
    kind: Literal["PersistentVolumeClaim"]
    metadata: ObjectMeta
    spec: NotRequired[PersistentVolumeClaimSpec]


class PersistentVolumeClaimSpec(TypedDict):
    accessModes: NotRequired[list[str]]
    dataSource: NotRequired[TypedLocalObjectReference]
    dataSourceRef: NotRequired[TypedObjectReference]
    resources: NotRequired[VolumeResourceRequirements]
    selector: NotRequired[LabelSelector]
    storageClassName: NotRequired[str]
    volumeAttributesClassName: NotRequired[str]
    volumeMode: NotRequired[str]
    volumeName: NotRequired[pulumi.Input[str]]


class PersistentVolumeClaimTemplate(TypedDict):
    spec: PersistentVolumeClaimSpec
    metadata: NotRequired[ObjectMeta]


class PersistentVolumeClaimVolumeSource(TypedDict):
    claimName: str
    readOnly: NotRequired[bool]


class PersistentVolumeSpec(TypedDict):
    accessModes: NotRequired[list[str]]
    capacity: NotRequired[Mapping[str, str]]
    claimRef: NotRequired[ObjectReference]
    csi: NotRequired[CSIPersistentVolumeSource]
    hostPath: NotRequired[HostPathVolumeSource]
    local: NotRequired[LocalVolumeSource]
    mountOptions: NotRequired[list[str]]
    nodeAffinity: NotRequired[VolumeNodeAffinity]
    persistentVolumeReclaimPolicy: NotRequired[str]
    storageClassName: NotRequired[str]
    volumeAttributesClassName: NotRequired[str]
    volumeMode: NotRequired[str]


class PodAffinity(TypedDict):
    preferredDuringSchedulingIgnoredDuringExecution: NotRequired[list[WeightedPodAffinityTerm]]
    requiredDuringSchedulingIgnoredDuringExecution: NotRequired[list[PodAffinityTerm]]


class PodAffinityTerm(TypedDict):
    topologyKey: str
    labelSelector: NotRequired[LabelSelector]
    matchLabelKeys: NotRequired[list[str]]
    mismatchLabelKeys: NotRequired[list[str]]
    namespaceSelector: NotRequired[LabelSelector]
    namespaces: NotRequired[list[str]]


class PodAntiAffinity(TypedDict):
    preferredDuringSchedulingIgnoredDuringExecution: NotRequired[list[WeightedPodAffinityTerm]]
    requiredDuringSchedulingIgnoredDuringExecution: NotRequired[list[PodAffinityTerm]]


class PodCertificateProjection(TypedDict):
    keyType: str
    signerName: str
    certificateChainPath: NotRequired[str]
    credentialBundlePath: NotRequired[str]
    keyPath: NotRequired[str]
    maxExpirationSeconds: NotRequired[int]
    user: NotRequired[int]
    userAnnotations: NotRequired[Mapping[str, str]]


class PodDNSConfig(TypedDict):
    nameservers: NotRequired[list[str]]
    options: NotRequired[list[PodDNSConfigOption]]
    searches: NotRequired[list[str]]


class PodDNSConfigOption(TypedDict):
    name: NotRequired[str]
    value: NotRequired[str]


class PodDisruptionBudget(TypedDict):
    apiVersion: Literal["policy/v1"]
    kind: Literal["PodDisruptionBudget"]
    metadata: ObjectMeta
    spec: NotRequired[PodDisruptionBudgetSpec]


class PodDisruptionBudgetSpec(TypedDict):
    maxUnavailable: NotRequired[int | str]
    minAvailable: NotRequired[int | str]
    selector: NotRequired[LabelSelector]
    unhealthyPodEvictionPolicy: NotRequired[str]


class PodFailurePolicy(TypedDict):
    rules: list[PodFailurePolicyRule]


class PodFailurePolicyOnExitCodesRequirement(TypedDict):
    operator: str
    values: list[int]
    containerName: NotRequired[str]


class PodFailurePolicyOnPodConditionsPattern(TypedDict):
    type: str


class PodFailurePolicyRule(TypedDict):
    action: str
    onExitCodes: NotRequired[PodFailurePolicyOnExitCodesRequirement]
    onPodConditions: NotRequired[list[PodFailurePolicyOnPodConditionsPattern]]


class PodOS(TypedDict):
    name: str


class PodReadinessGate(TypedDict):
    conditionType: str


class PodResourceClaim(TypedDict):
    name: str
    resourceClaimName: NotRequired[str]
    resourceClaimTemplateName: NotRequired[str]


class PodSchedulingGate(TypedDict):
    name: str


class PodSecurityContext(TypedDict):
    appArmorProfile: NotRequired[AppArmorProfile]
    fsGroup: NotRequired[int]
    fsGroupChangePolicy: NotRequired[str]
    runAsGroup: NotRequired[int]
    runAsNonRoot: NotRequired[bool]
    runAsUser: NotRequired[int]
    seLinuxChangePolicy: NotRequired[str]
    seLinuxOptions: NotRequired[SELinuxOptions]
    seccompProfile: NotRequired[SeccompProfile]
    supplementalGroups: NotRequired[list[int]]
    supplementalGroupsPolicy: NotRequired[str]
    sysctls: NotRequired[list[Sysctl]]


class PodSpecMore(TypedDict):
    activeDeadlineSeconds: NotRequired[int]
    affinity: NotRequired[Affinity]
    dnsConfig: NotRequired[PodDNSConfig]
    dnsPolicy: NotRequired[str]
    evictionResponders: NotRequired[list[EvictionResponder]]
    hostAliases: NotRequired[list[HostAlias]]
    hostIPC: NotRequired[bool]
    hostNetwork: NotRequired[bool]
    hostPID: NotRequired[bool]
    hostUsers: NotRequired[bool]
    hostname: NotRequired[str]
    hostnameOverride: NotRequired[str]
    imagePullSecrets: NotRequired[list[LocalObjectReference]]
    initContainers: NotRequired[list[Container]]
    nodeName: NotRequired[str]
    nodeSelector: NotRequired[Mapping[str, str]]
    os: NotRequired[PodOS]
    overhead: NotRequired[Mapping[str, str]]
    preemptionPolicy: NotRequired[str]
    priority: NotRequired[int]
    priorityClassName: NotRequired[str]
    readinessGates: NotRequired[list[PodReadinessGate]]
    resourceClaims: NotRequired[list[PodResourceClaim]]
    resources: NotRequired[ResourceRequirements]
    restartPolicy: NotRequired[str]
    runtimeClassName: NotRequired[str]
    schedulerName: NotRequired[str]
    schedulingGates: NotRequired[list[PodSchedulingGate]]
    serviceAccount: NotRequired[str]
    setHostnameAsFQDN: NotRequired[bool]
    shareProcessNamespace: NotRequired[bool]
    subdomain: NotRequired[str]
    tolerations: NotRequired[list[Toleration]]
    topologySpreadConstraints: NotRequired[list[TopologySpreadConstraint]]


class PodSpec(PodSpecMore):
    containers: list[Container]
    automountServiceAccountToken: NotRequired[bool]
    enableServiceLinks: NotRequired[bool]
    securityContext: NotRequired[PodSecurityContext]
    serviceAccountName: NotRequired[str]
    terminationGracePeriodSeconds: NotRequired[int]
    volumes: NotRequired[list[Volume]]


class PodTemplate(TypedDict):
    apiVersion: Literal["v1"]
    kind: Literal["PodTemplate"]
    metadata: ObjectMeta
    template: NotRequired[PodTemplateSpec]


class PodTemplateSpec(TypedDict):
    metadata: NotRequired[ObjectMeta]
    spec: NotRequired[PodSpec]


class PolicyRule(TypedDict):
    verbs: list[str]
    apiGroups: NotRequired[list[str]]
    nonResourceURLs: NotRequired[list[str]]
    resourceNames: NotRequired[list[str]]
    resources: NotRequired[list[str]]


class PreferredSchedulingTerm(TypedDict):
    preference: NodeSelectorTerm
    weight: int


class Probe(TypedDict):
    exec: NotRequired[ExecAction]
    failureThreshold: NotRequired[int]
    grpc: NotRequired[GRPCAction]
    httpGet: NotRequired[HTTPGetAction]
    initialDelaySeconds: NotRequired[int]
    periodSeconds: NotRequired[int]
    successThreshold: NotRequired[int]
    tcpSocket: NotRequired[TCPSocketAction]
    terminationGracePeriodSeconds: NotRequired[int]
    timeoutSeconds: NotRequired[int]


class ProjectedVolumeSource(TypedDict):
    defaultMode: NotRequired[int]
    defaultUser: NotRequired[int]
    sources: NotRequired[list[VolumeProjection]]


class ResourceClaim(TypedDict):
    name: str
    request: NotRequired[str]


class ResourceFieldSelector(TypedDict):
    resource: str
    containerName: NotRequired[str]
    divisor: NotRequired[str]


class ResourceRequirements(TypedDict):
    claims: NotRequired[list[ResourceClaim]]
    limits: NotRequired[Mapping[str, str]]
    requests: NotRequired[Mapping[str, str]]


class Role(TypedDict):
    apiVersion: Literal["rbac.authorization.k8s.io/v1"]
    kind: Literal["Role"]
    metadata: ObjectMeta
    rules: NotRequired[list[PolicyRule]]


class RoleBinding(TypedDict):
    apiVersion: Literal["rbac.authorization.k8s.io/v1"]
    kind: Literal["RoleBinding"]
    roleRef: RoleRef
    metadata: ObjectMeta
    subjects: NotRequired[list[Subject]]


class RoleRef(TypedDict):
    kind: str
    name: str
    apiGroup: NotRequired[str]


class RollingUpdateDeployment(TypedDict):
    maxSurge: NotRequired[int | str]
    maxUnavailable: NotRequired[int | str]


class RollingUpdateStatefulSetStrategy(TypedDict):
    maxUnavailable: NotRequired[int | str]
    partition: NotRequired[int]


class SELinuxOptions(TypedDict):
    level: NotRequired[str]
    role: NotRequired[str]
    type: NotRequired[str]
    user: NotRequired[str]


class SeccompProfile(TypedDict):
    type: str
    localhostProfile: NotRequired[str]


class Secret(TypedDict):
    apiVersion: Literal["v1"]
    kind: Literal["Secret"]
    data: NotRequired[pulumi.Input[Mapping[str, str]]]
    immutable: NotRequired[bool]
    metadata: ObjectMeta
    stringData: NotRequired[Mapping[str, str]]
    type: NotRequired[str]


class SecretEnvSource(TypedDict):
    name: NotRequired[str]
    optional: NotRequired[bool]


class SecretKeySelector(TypedDict):
    key: str
    name: NotRequired[str]
    optional: NotRequired[bool]


class SecretProjection(TypedDict):
    items: NotRequired[list[KeyToPath]]
    name: NotRequired[str]
    optional: NotRequired[bool]


class SecretReference(TypedDict):
    name: NotRequired[str]
    namespace: NotRequired[str]


class SecretVolumeSource(TypedDict):
    defaultMode: NotRequired[int]
    defaultUser: NotRequired[int]
    items: NotRequired[list[KeyToPath]]
    optional: NotRequired[bool]
    secretName: NotRequired[str]


class SecurityContext(TypedDict):
    allowPrivilegeEscalation: NotRequired[bool]
    appArmorProfile: NotRequired[AppArmorProfile]
    capabilities: NotRequired[Capabilities]
    privileged: NotRequired[bool]
    procMount: NotRequired[str]
    readOnlyRootFilesystem: NotRequired[bool]
    runAsGroup: NotRequired[int]
    runAsNonRoot: NotRequired[bool]
    runAsUser: NotRequired[int]
    seLinuxOptions: NotRequired[SELinuxOptions]
    seccompProfile: NotRequired[SeccompProfile]


class Service(TypedDict):
    apiVersion: Literal["v1"]
    kind: Literal["Service"]
    metadata: ObjectMeta
    spec: NotRequired[ServiceSpec]


class ServiceAccount(TypedDict):
    apiVersion: Literal["v1"]
    kind: Literal["ServiceAccount"]
    automountServiceAccountToken: NotRequired[bool]
    imagePullSecrets: NotRequired[list[LocalObjectReference]]
    metadata: ObjectMeta
    secrets: NotRequired[list[ObjectReference]]


class ServiceAccountTokenProjection(TypedDict):
    path: str
    audience: NotRequired[str]
    expirationSeconds: NotRequired[int]
    user: NotRequired[int]


class ServiceBackendPort(TypedDict):
    name: NotRequired[str]
    number: NotRequired[int]


class ServicePort(TypedDict):
    port: int
    appProtocol: NotRequired[str]
    name: NotRequired[str]
    nodePort: NotRequired[int]
    protocol: NotRequired[str]
    targetPort: NotRequired[int | str]


class ServiceSpecMore(TypedDict):
    allocateLoadBalancerNodePorts: NotRequired[bool]
    clusterIP: NotRequired[str]
    clusterIPs: NotRequired[list[str]]
    externalIPs: NotRequired[list[str]]
    externalName: NotRequired[str]
    externalTrafficPolicy: NotRequired[str]
    healthCheckNodePort: NotRequired[int]
    internalTrafficPolicy: NotRequired[str]
    ipFamilies: NotRequired[list[str]]
    ipFamilyPolicy: NotRequired[str]
    loadBalancerClass: NotRequired[str]
    loadBalancerIP: NotRequired[str]
    loadBalancerSourceRanges: NotRequired[list[str]]
    publishNotReadyAddresses: NotRequired[bool]
    sessionAffinity: NotRequired[str]
    sessionAffinityConfig: NotRequired[SessionAffinityConfig]
    trafficDistribution: NotRequired[str]
    type: NotRequired[str]


class ServiceSpec(ServiceSpecMore):
    ports: NotRequired[list[ServicePort]]
    selector: NotRequired[Mapping[str, str]]


class SessionAffinityConfig(TypedDict):
    clientIP: NotRequired[ClientIPConfig]


class SleepAction(TypedDict):
    seconds: int


class StatefulSet(TypedDict):
    apiVersion: Literal["apps/v1"]
    kind: Literal["StatefulSet"]
    spec: StatefulSetSpec
    metadata: ObjectMeta


class StatefulSetOrdinals(TypedDict):
    start: NotRequired[int]


class StatefulSetPersistentVolumeClaimRetentionPolicy(TypedDict):
    whenDeleted: NotRequired[str]
    whenScaled: NotRequired[str]


class StatefulSetSpec(TypedDict):
    selector: LabelSelector
    template: PodTemplateSpec
    minReadySeconds: NotRequired[int]
    ordinals: NotRequired[StatefulSetOrdinals]
    persistentVolumeClaimRetentionPolicy: NotRequired[StatefulSetPersistentVolumeClaimRetentionPolicy]
    podManagementPolicy: NotRequired[str]
    replicas: NotRequired[int]
    revisionHistoryLimit: NotRequired[int]
    serviceName: NotRequired[str]
    updateStrategy: NotRequired[StatefulSetUpdateStrategy]
    volumeClaimTemplates: NotRequired[list[PersistentVolumeClaimTemplate]]


class StatefulSetUpdateStrategy(TypedDict):
    rollingUpdate: NotRequired[RollingUpdateStatefulSetStrategy]
    type: NotRequired[str]


class Subject(TypedDict):
    kind: str
    name: str
    apiGroup: NotRequired[str]
    namespace: NotRequired[pulumi.Input[str]]


class SuccessPolicy(TypedDict):
    rules: list[SuccessPolicyRule]


class SuccessPolicyRule(TypedDict):
    succeededCount: NotRequired[int]
    succeededIndexes: NotRequired[str]


class Sysctl(TypedDict):
    name: str
    value: str


class TCPSocketAction(TypedDict):
    port: int | str
    host: NotRequired[str]


class Toleration(TypedDict):
    effect: NotRequired[str]
    key: NotRequired[str]
    operator: NotRequired[str]
    tolerationSeconds: NotRequired[int]
    value: NotRequired[str]


class TopologySpreadConstraint(TypedDict):
    maxSkew: int
    topologyKey: str
    whenUnsatisfiable: str
    labelSelector: NotRequired[LabelSelector]
    matchLabelKeys: NotRequired[list[str]]
    minDomains: NotRequired[int]
    nodeAffinityPolicy: NotRequired[str]
    nodeTaintsPolicy: NotRequired[str]


class TypedLocalObjectReference(TypedDict):
    kind: str
    name: str
    apiGroup: NotRequired[str]


class TypedObjectReference(TypedDict):
    kind: str
    name: str
    apiGroup: NotRequired[str]
    namespace: NotRequired[str]


class Volume(TypedDict):
    name: str
    configMap: NotRequired[ConfigMapVolumeSource]
    csi: NotRequired[CSIVolumeSource]
    downwardAPI: NotRequired[DownwardAPIVolumeSource]
    emptyDir: NotRequired[EmptyDirVolumeSource]
    ephemeral: NotRequired[EphemeralVolumeSource]
    hostPath: NotRequired[HostPathVolumeSource]
    image: NotRequired[ImageVolumeSource]
    persistentVolumeClaim: NotRequired[PersistentVolumeClaimVolumeSource]
    projected: NotRequired[ProjectedVolumeSource]
    secret: NotRequired[SecretVolumeSource]


class VolumeDevice(TypedDict):
    devicePath: str
    name: str


class VolumeMount(TypedDict):
    mountPath: str
    name: str
    bindMountOptions: NotRequired[list[str]]
    mountPropagation: NotRequired[str]
    readOnly: NotRequired[bool]
    recursiveReadOnly: NotRequired[str]
    subPath: NotRequired[str]
    subPathExpr: NotRequired[str]


class VolumeNodeAffinity(TypedDict):
    required: NotRequired[NodeSelector]


class VolumeProjection(TypedDict):
    clusterTrustBundle: NotRequired[ClusterTrustBundleProjection]
    configMap: NotRequired[ConfigMapProjection]
    downwardAPI: NotRequired[DownwardAPIProjection]
    podCertificate: NotRequired[PodCertificateProjection]
    secret: NotRequired[SecretProjection]
    serviceAccountToken: NotRequired[ServiceAccountTokenProjection]


class VolumeResourceRequirements(TypedDict):
    limits: NotRequired[Mapping[str, str]]
    requests: NotRequired[Mapping[str, str]]


class WeightedPodAffinityTerm(TypedDict):
    podAffinityTerm: PodAffinityTerm
    weight: int


Manifest = (
    ConfigMap
    | CronJob
    | Deployment
    | Ingress
    | Job
    | Namespace
    | NetworkPolicy
    | PersistentVolume
    | PersistentVolumeClaim
    | PodDisruptionBudget
    | PodTemplate
    | Role
    | RoleBinding
    | Secret
    | Service
    | ServiceAccount
    | StatefulSet
)
