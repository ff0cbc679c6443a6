"""The nets, the served model, and the model file.

backbones        from an image to a feature map, by name
heads            from a feature map to logits
preprocessing    from a stored image to what the backbone sees
network          puts them together: the trained core, the served model
model_file       model.keras, written and read
portable_config  a config that any supported Keras reads
safe_config      what a model.keras may hold, checked before Keras reads it
initial_weights  weights to start from; weights/: those of the project
training_layers  gives the core the layers that it trains with
fused_norm       batch normalisation that is fast, over groups of examples
small_map_conv   a convolution whose gradient is fast on a CPU
example_dropout  dropout that does not depend on how a batch is cut
"""
