"""A schedule in; Adam out, with PyTorch's own fused kernel where PyTorch is the backend."""

import types

import keras


def adam(learning_rate, weight_decay=None):
    """`keras.optimizers.Adam`; on PyTorch its update is one pass over the weights instead of about ten.

    The passes cost a quarter of a dense training step at batch 256: each makes and fills a temporary as large as the
    weights. Keras has no setting for it, and the other backends fuse the passes when they compile.

    Args:
        learning_rate: number or schedule.
        weight_decay: as in AdamW; None for none.
    """
    optimizer = keras.optimizers.Adam(learning_rate, weight_decay=weight_decay)
    if keras.backend.backend() == "torch" and hasattr(optimizer, "_parallel_update_step"):
        optimizer._parallel_update_step = types.MethodType(_fused_step, optimizer)
    return optimizer


def _fused_step(self, grads, variables, learning_rate):
    import torch  # of this backend alone, and the only place that calls it

    step = int(self.iterations) + 1
    indices = [self._get_variable_index(variable) for variable in variables]
    weights = [variable.value.data for variable in variables]
    torch._fused_adam_(
        weights,
        grads,
        [self._momentums[index].value for index in indices],
        [self._velocities[index].value for index in indices],
        [],
        [torch.tensor(float(step)) for _ in weights],
        lr=float(learning_rate),
        beta1=self.beta_1,
        beta2=self.beta_2,
        weight_decay=0.0,  # Keras has applied it by now
        # PyTorch adds epsilon after the correction of the second moment, Keras before.
        eps=self.epsilon / (1 - self.beta_2**step) ** 0.5,
        amsgrad=False,
        maximize=False,
    )
