"""The nets, the served model, and the model file.

backbones        from an image to a feature map, by name
heads            from a feature map to logits
preprocessing    from a stored image to what the backbone sees
network          puts them together: the trained core, the served model
model_file       model.keras, written and read
initial_weights  weights to start from; weights/: those of the project
fused_norm       batch normalisation that is fast in training
"""
