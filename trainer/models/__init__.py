"""The nets, the served model, and the model file.

backbones        map an image to a feature map, by name
heads            map a feature map to logits
preprocessing    maps a stored image to the input of the backbone
network          combines them: the trained core, the served model
model_file       writes and reads model.keras
portable_config  a config that any supported Keras reads
safe_config      checks the content of a model.keras before Keras reads it
initial_weights  weights to start from; weights/: those of the project
training_layers  replaces layers of the core for training
fused_norm       batch normalisation that is fast, over groups of examples
small_map_conv   a convolution whose gradient is fast on a CPU
example_dropout  dropout that does not depend on how a batch is split
"""
