from smaragdine.v1 import trace_pb2 as _trace_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("protocol_version", "version", "sources", "recordings", "state_dir", "cpu", "gpus")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    RECORDINGS_FIELD_NUMBER: _ClassVar[int]
    STATE_DIR_FIELD_NUMBER: _ClassVar[int]
    CPU_FIELD_NUMBER: _ClassVar[int]
    GPUS_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    version: str
    sources: _containers.RepeatedCompositeFieldContainer[Source]
    recordings: int
    state_dir: str
    cpu: str
    gpus: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, protocol_version: _Optional[int] = ..., version: _Optional[str] = ..., sources: _Optional[_Iterable[_Union[Source, _Mapping]]] = ..., recordings: _Optional[int] = ..., state_dir: _Optional[str] = ..., cpu: _Optional[str] = ..., gpus: _Optional[_Iterable[str]] = ...) -> None: ...

class Source(_message.Message):
    __slots__ = ("name", "available", "problem", "hint", "domains")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    name: str
    available: bool
    problem: str
    hint: str
    domains: _containers.RepeatedCompositeFieldContainer[Domain]
    def __init__(self, name: _Optional[str] = ..., available: bool = ..., problem: _Optional[str] = ..., hint: _Optional[str] = ..., domains: _Optional[_Iterable[_Union[Domain, _Mapping]]] = ...) -> None: ...

class Domain(_message.Message):
    __slots__ = ("name", "device", "parent", "counted", "basis", "source", "range_uj", "not_counted_because")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    COUNTED_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    RANGE_UJ_FIELD_NUMBER: _ClassVar[int]
    NOT_COUNTED_BECAUSE_FIELD_NUMBER: _ClassVar[int]
    name: str
    device: str
    parent: str
    counted: bool
    basis: str
    source: str
    range_uj: int
    not_counted_because: str
    def __init__(self, name: _Optional[str] = ..., device: _Optional[str] = ..., parent: _Optional[str] = ..., counted: bool = ..., basis: _Optional[str] = ..., source: _Optional[str] = ..., range_uj: _Optional[int] = ..., not_counted_because: _Optional[str] = ...) -> None: ...

class StartRequest(_message.Message):
    __slots__ = ("name", "period_ns", "labels", "require_measured", "keep_all", "clock", "software", "environment")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class SoftwareEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class EnvironmentEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    PERIOD_NS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REQUIRE_MEASURED_FIELD_NUMBER: _ClassVar[int]
    KEEP_ALL_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    period_ns: int
    labels: _containers.ScalarMap[str, str]
    require_measured: bool
    keep_all: bool
    clock: _trace_pb2.ClockPair
    software: _containers.ScalarMap[str, str]
    environment: _containers.ScalarMap[str, str]
    def __init__(self, name: _Optional[str] = ..., period_ns: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., require_measured: bool = ..., keep_all: bool = ..., clock: _Optional[_Union[_trace_pb2.ClockPair, _Mapping]] = ..., software: _Optional[_Mapping[str, str]] = ..., environment: _Optional[_Mapping[str, str]] = ...) -> None: ...

class StartResponse(_message.Message):
    __slots__ = ("recording", "start_ns", "realtime_offset_ns", "domains", "basis", "warning", "state_dir", "trace_json")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    START_NS_FIELD_NUMBER: _ClassVar[int]
    REALTIME_OFFSET_NS_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    STATE_DIR_FIELD_NUMBER: _ClassVar[int]
    TRACE_JSON_FIELD_NUMBER: _ClassVar[int]
    recording: str
    start_ns: int
    realtime_offset_ns: int
    domains: _containers.RepeatedCompositeFieldContainer[Domain]
    basis: str
    warning: str
    state_dir: str
    trace_json: str
    def __init__(self, recording: _Optional[str] = ..., start_ns: _Optional[int] = ..., realtime_offset_ns: _Optional[int] = ..., domains: _Optional[_Iterable[_Union[Domain, _Mapping]]] = ..., basis: _Optional[str] = ..., warning: _Optional[str] = ..., state_dir: _Optional[str] = ..., trace_json: _Optional[str] = ...) -> None: ...

class RecordRequest(_message.Message):
    __slots__ = ("recording", "sequence", "clock", "events", "step", "profile", "profiling", "model", "note", "steps", "metrics", "program", "span", "labels")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    PROFILING_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    SPAN_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    recording: str
    sequence: int
    clock: _trace_pb2.ClockPair
    events: _trace_pb2.EventBatch
    step: _trace_pb2.Step
    profile: _trace_pb2.Profile
    profiling: _trace_pb2.ProfilingSpan
    model: _trace_pb2.Model
    note: _trace_pb2.Note
    steps: _trace_pb2.StepBatch
    metrics: _trace_pb2.MetricBatch
    program: _trace_pb2.Program
    span: _trace_pb2.NamedSpan
    labels: _trace_pb2.Labels
    def __init__(self, recording: _Optional[str] = ..., sequence: _Optional[int] = ..., clock: _Optional[_Union[_trace_pb2.ClockPair, _Mapping]] = ..., events: _Optional[_Union[_trace_pb2.EventBatch, _Mapping]] = ..., step: _Optional[_Union[_trace_pb2.Step, _Mapping]] = ..., profile: _Optional[_Union[_trace_pb2.Profile, _Mapping]] = ..., profiling: _Optional[_Union[_trace_pb2.ProfilingSpan, _Mapping]] = ..., model: _Optional[_Union[_trace_pb2.Model, _Mapping]] = ..., note: _Optional[_Union[_trace_pb2.Note, _Mapping]] = ..., steps: _Optional[_Union[_trace_pb2.StepBatch, _Mapping]] = ..., metrics: _Optional[_Union[_trace_pb2.MetricBatch, _Mapping]] = ..., program: _Optional[_Union[_trace_pb2.Program, _Mapping]] = ..., span: _Optional[_Union[_trace_pb2.NamedSpan, _Mapping]] = ..., labels: _Optional[_Union[_trace_pb2.Labels, _Mapping]] = ...) -> None: ...

class RecordResponse(_message.Message):
    __slots__ = ("acknowledged", "advice", "problem")
    class Advice(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ADVICE_CONTINUE: _ClassVar[RecordResponse.Advice]
        ADVICE_PAUSE: _ClassVar[RecordResponse.Advice]
        ADVICE_RESUME: _ClassVar[RecordResponse.Advice]
        ADVICE_STOP: _ClassVar[RecordResponse.Advice]
    ADVICE_CONTINUE: RecordResponse.Advice
    ADVICE_PAUSE: RecordResponse.Advice
    ADVICE_RESUME: RecordResponse.Advice
    ADVICE_STOP: RecordResponse.Advice
    ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    acknowledged: int
    advice: RecordResponse.Advice
    problem: str
    def __init__(self, acknowledged: _Optional[int] = ..., advice: _Optional[_Union[RecordResponse.Advice, str]] = ..., problem: _Optional[str] = ...) -> None: ...

class StopRequest(_message.Message):
    __slots__ = ("recording",)
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    recording: str
    def __init__(self, recording: _Optional[str] = ...) -> None: ...

class StopResponse(_message.Message):
    __slots__ = ("end_ns", "readings", "events", "warnings")
    END_NS_FIELD_NUMBER: _ClassVar[int]
    READINGS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    end_ns: int
    readings: int
    events: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, end_ns: _Optional[int] = ..., readings: _Optional[int] = ..., events: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("recording", "release")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    recording: str
    release: bool
    def __init__(self, recording: _Optional[str] = ..., release: bool = ...) -> None: ...

class FetchResponse(_message.Message):
    __slots__ = ("path", "data", "last")
    PATH_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    path: str
    data: bytes
    last: bool
    def __init__(self, path: _Optional[str] = ..., data: _Optional[bytes] = ..., last: bool = ...) -> None: ...

class ReleaseRequest(_message.Message):
    __slots__ = ("recording",)
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    recording: str
    def __init__(self, recording: _Optional[str] = ...) -> None: ...

class ReleaseResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("recording", "period_ns")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    PERIOD_NS_FIELD_NUMBER: _ClassVar[int]
    recording: str
    period_ns: int
    def __init__(self, recording: _Optional[str] = ..., period_ns: _Optional[int] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("end_ns", "power_w", "energy_j", "settled_ns", "settled_j", "application_j", "unknown_j", "domains", "realtime_offset_ns", "pausable", "pausing", "paused")
    class PowerWEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class EnergyJEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class SettledJEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class ApplicationJEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class UnknownJEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    END_NS_FIELD_NUMBER: _ClassVar[int]
    POWER_W_FIELD_NUMBER: _ClassVar[int]
    ENERGY_J_FIELD_NUMBER: _ClassVar[int]
    SETTLED_NS_FIELD_NUMBER: _ClassVar[int]
    SETTLED_J_FIELD_NUMBER: _ClassVar[int]
    APPLICATION_J_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_J_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    REALTIME_OFFSET_NS_FIELD_NUMBER: _ClassVar[int]
    PAUSABLE_FIELD_NUMBER: _ClassVar[int]
    PAUSING_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    end_ns: int
    power_w: _containers.ScalarMap[str, float]
    energy_j: _containers.ScalarMap[str, float]
    settled_ns: int
    settled_j: _containers.ScalarMap[str, float]
    application_j: _containers.ScalarMap[str, float]
    unknown_j: _containers.ScalarMap[str, float]
    domains: _containers.RepeatedCompositeFieldContainer[Domain]
    realtime_offset_ns: int
    pausable: bool
    pausing: bool
    paused: bool
    def __init__(self, end_ns: _Optional[int] = ..., power_w: _Optional[_Mapping[str, float]] = ..., energy_j: _Optional[_Mapping[str, float]] = ..., settled_ns: _Optional[int] = ..., settled_j: _Optional[_Mapping[str, float]] = ..., application_j: _Optional[_Mapping[str, float]] = ..., unknown_j: _Optional[_Mapping[str, float]] = ..., domains: _Optional[_Iterable[_Union[Domain, _Mapping]]] = ..., realtime_offset_ns: _Optional[int] = ..., pausable: bool = ..., pausing: bool = ..., paused: bool = ...) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ("recording", "pause")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    recording: str
    pause: bool
    def __init__(self, recording: _Optional[str] = ..., pause: bool = ...) -> None: ...

class PauseResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HoldRequest(_message.Message):
    __slots__ = ("recording", "paused")
    RECORDING_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    recording: str
    paused: bool
    def __init__(self, recording: _Optional[str] = ..., paused: bool = ...) -> None: ...

class HoldResponse(_message.Message):
    __slots__ = ("pause",)
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    pause: bool
    def __init__(self, pause: bool = ...) -> None: ...
