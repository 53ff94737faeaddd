"""Energy of a graph-mode TensorFlow training, under its exact tensor names.

with tf.compat.v1.train.MonitoredTrainingSession(hooks=[EnergyHook("runs/bert")]) as session:
    while not session.should_stop():
        session.run(train_op)
"""

from smaragdine.frameworks.tensorflow.hook import EnergyHook

__all__ = ["EnergyHook"]
