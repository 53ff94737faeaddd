"""What `smaragdine demo` trains: a BERT-like masked-language model on text that every machine has.

Importing this package imports no TensorFlow; `smaragdine.demo.model` and `smaragdine.demo.graph` do.
"""
