from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Clock(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOCK_UNSPECIFIED: _ClassVar[Clock]
    CLOCK_REALTIME: _ClassVar[Clock]
    CLOCK_MONOTONIC: _ClassVar[Clock]

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_UNSPECIFIED: _ClassVar[Kind]
    KIND_COMPUTE: _ClassVar[Kind]
    KIND_COPY: _ClassVar[Kind]
    KIND_WAIT: _ClassVar[Kind]
CLOCK_UNSPECIFIED: Clock
CLOCK_REALTIME: Clock
CLOCK_MONOTONIC: Clock
KIND_UNSPECIFIED: Kind
KIND_COMPUTE: Kind
KIND_COPY: Kind
KIND_WAIT: Kind

class ClockPair(_message.Message):
    __slots__ = ("realtime_ns", "monotonic_ns")
    REALTIME_NS_FIELD_NUMBER: _ClassVar[int]
    MONOTONIC_NS_FIELD_NUMBER: _ClassVar[int]
    realtime_ns: int
    monotonic_ns: int
    def __init__(self, realtime_ns: _Optional[int] = ..., monotonic_ns: _Optional[int] = ...) -> None: ...

class Op(_message.Message):
    __slots__ = ("op", "qtn", "layer", "type", "phase", "raw_name", "flops")
    OP_FIELD_NUMBER: _ClassVar[int]
    QTN_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    RAW_NAME_FIELD_NUMBER: _ClassVar[int]
    FLOPS_FIELD_NUMBER: _ClassVar[int]
    op: int
    qtn: str
    layer: str
    type: str
    phase: str
    raw_name: str
    flops: float
    def __init__(self, op: _Optional[int] = ..., qtn: _Optional[str] = ..., layer: _Optional[str] = ..., type: _Optional[str] = ..., phase: _Optional[str] = ..., raw_name: _Optional[str] = ..., flops: _Optional[float] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("op", "device", "lane", "kind", "start_ns", "end_ns", "correlation")
    OP_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    START_NS_FIELD_NUMBER: _ClassVar[int]
    END_NS_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_FIELD_NUMBER: _ClassVar[int]
    op: int
    device: str
    lane: int
    kind: Kind
    start_ns: int
    end_ns: int
    correlation: int
    def __init__(self, op: _Optional[int] = ..., device: _Optional[str] = ..., lane: _Optional[int] = ..., kind: _Optional[_Union[Kind, str]] = ..., start_ns: _Optional[int] = ..., end_ns: _Optional[int] = ..., correlation: _Optional[int] = ...) -> None: ...

class EventBatch(_message.Message):
    __slots__ = ("clock", "ops", "events", "edges")
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    OPS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    clock: Clock
    ops: _containers.RepeatedCompositeFieldContainer[Op]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    edges: _containers.RepeatedCompositeFieldContainer[Edge]
    def __init__(self, clock: _Optional[_Union[Clock, str]] = ..., ops: _Optional[_Iterable[_Union[Op, _Mapping]]] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., edges: _Optional[_Iterable[_Union[Edge, _Mapping]]] = ...) -> None: ...

class Edge(_message.Message):
    __slots__ = ("from_op", "to_op")
    FROM_OP_FIELD_NUMBER: _ClassVar[int]
    TO_OP_FIELD_NUMBER: _ClassVar[int]
    from_op: int
    to_op: int
    def __init__(self, from_op: _Optional[int] = ..., to_op: _Optional[int] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("step", "epoch", "clock", "start_ns", "end_ns", "traced", "samples", "metrics")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STEP_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    START_NS_FIELD_NUMBER: _ClassVar[int]
    END_NS_FIELD_NUMBER: _ClassVar[int]
    TRACED_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    step: int
    epoch: int
    clock: Clock
    start_ns: int
    end_ns: int
    traced: bool
    samples: int
    metrics: _containers.ScalarMap[str, float]
    def __init__(self, step: _Optional[int] = ..., epoch: _Optional[int] = ..., clock: _Optional[_Union[Clock, str]] = ..., start_ns: _Optional[int] = ..., end_ns: _Optional[int] = ..., traced: bool = ..., samples: _Optional[int] = ..., metrics: _Optional[_Mapping[str, float]] = ...) -> None: ...

class StepBatch(_message.Message):
    __slots__ = ("steps",)
    STEPS_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    def __init__(self, steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ...) -> None: ...

class ProfilingSpan(_message.Message):
    __slots__ = ("clock", "start_ns", "end_ns")
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    START_NS_FIELD_NUMBER: _ClassVar[int]
    END_NS_FIELD_NUMBER: _ClassVar[int]
    clock: Clock
    start_ns: int
    end_ns: int
    def __init__(self, clock: _Optional[_Union[Clock, str]] = ..., start_ns: _Optional[int] = ..., end_ns: _Optional[int] = ...) -> None: ...

class NamedSpan(_message.Message):
    __slots__ = ("span", "name", "parent", "clock", "start_ns", "end_ns", "tokens", "requests")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    START_NS_FIELD_NUMBER: _ClassVar[int]
    END_NS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    span: int
    name: str
    parent: int
    clock: Clock
    start_ns: int
    end_ns: int
    tokens: int
    requests: int
    def __init__(self, span: _Optional[int] = ..., name: _Optional[str] = ..., parent: _Optional[int] = ..., clock: _Optional[_Union[Clock, str]] = ..., start_ns: _Optional[int] = ..., end_ns: _Optional[int] = ..., tokens: _Optional[int] = ..., requests: _Optional[int] = ...) -> None: ...

class Profile(_message.Message):
    __slots__ = ("format", "data", "last")
    class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FORMAT_UNSPECIFIED: _ClassVar[Profile.Format]
        FORMAT_XSPACE: _ClassVar[Profile.Format]
        FORMAT_RUN_METADATA: _ClassVar[Profile.Format]
        FORMAT_GRAPH_DEF: _ClassVar[Profile.Format]
        FORMAT_KINETO_JSON: _ClassVar[Profile.Format]
    FORMAT_UNSPECIFIED: Profile.Format
    FORMAT_XSPACE: Profile.Format
    FORMAT_RUN_METADATA: Profile.Format
    FORMAT_GRAPH_DEF: Profile.Format
    FORMAT_KINETO_JSON: Profile.Format
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    format: Profile.Format
    data: bytes
    last: bool
    def __init__(self, format: _Optional[_Union[Profile.Format, str]] = ..., data: _Optional[bytes] = ..., last: bool = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "layer_paths", "variables", "captures", "shared")
    class CapturesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class SharedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    LAYER_PATHS_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    CAPTURES_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    name: str
    layer_paths: _containers.RepeatedScalarFieldContainer[str]
    variables: _containers.RepeatedScalarFieldContainer[str]
    captures: _containers.ScalarMap[str, str]
    shared: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., layer_paths: _Optional[_Iterable[str]] = ..., variables: _Optional[_Iterable[str]] = ..., captures: _Optional[_Mapping[str, str]] = ..., shared: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Note(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class MetricBatch(_message.Message):
    __slots__ = ("clock", "values")
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    clock: Clock
    values: _containers.RepeatedCompositeFieldContainer[MetricValue]
    def __init__(self, clock: _Optional[_Union[Clock, str]] = ..., values: _Optional[_Iterable[_Union[MetricValue, _Mapping]]] = ...) -> None: ...

class MetricValue(_message.Message):
    __slots__ = ("metric", "unit", "scope", "time_ns", "value", "problem")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    TIME_NS_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    metric: str
    unit: str
    scope: str
    time_ns: int
    value: float
    problem: str
    def __init__(self, metric: _Optional[str] = ..., unit: _Optional[str] = ..., scope: _Optional[str] = ..., time_ns: _Optional[int] = ..., value: _Optional[float] = ..., problem: _Optional[str] = ...) -> None: ...

class Program(_message.Message):
    __slots__ = ("command", "git", "packages")
    class PackagesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    GIT_FIELD_NUMBER: _ClassVar[int]
    PACKAGES_FIELD_NUMBER: _ClassVar[int]
    command: _containers.RepeatedScalarFieldContainer[str]
    git: Git
    packages: _containers.ScalarMap[str, str]
    def __init__(self, command: _Optional[_Iterable[str]] = ..., git: _Optional[_Union[Git, _Mapping]] = ..., packages: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Git(_message.Message):
    __slots__ = ("commit", "dirty")
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    DIRTY_FIELD_NUMBER: _ClassVar[int]
    commit: str
    dirty: bool
    def __init__(self, commit: _Optional[str] = ..., dirty: bool = ...) -> None: ...

class Labels(_message.Message):
    __slots__ = ("labels",)
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LABELS_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.ScalarMap[str, str]
    def __init__(self, labels: _Optional[_Mapping[str, str]] = ...) -> None: ...
