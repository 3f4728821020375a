"""The adversarial training step: a discriminator learns to tell images apart, a generator to deceive it."""

from __future__ import annotations

import math
from typing import Literal, final

import torch
from torch import Tensor
from torch.nn import functional as F

from longspan.data.batches.samples import Batch
from longspan.errors import ConfigError
from longspan.inference.source import autocast
from longspan.models.generative.dcgan import Discriminator, Generator
from longspan.randomness import step_seed
from longspan.train.step import StepInfo

__all__ = ["AdversarialStep", "GanLoss", "as_signed", "draw_latents"]

GanLoss = Literal["classic", "relativistic"]


def as_signed(encoded: Tensor) -> Tensor:
    """Encoded images `(B, H, W, C)` uint8 as the networks know them, `(B, C, H, W)` float32 in -1..1."""
    return encoded.permute(0, 3, 1, 2).float() / 127.5 - 1


def draw_latents(count: int, latent: int, seed: int, purpose: str, number: int = 0) -> Tensor:
    """Normal numbers `(count, latent)` that depend on seed, purpose and number alone."""
    generator = torch.Generator().manual_seed(step_seed(seed, purpose, number))
    return torch.randn(count, latent, generator=generator)


@final
class AdversarialStep:
    """A `TrainStep` of two networks: one step of the discriminator, then one of the generator, on one batch.

    "classic": cross-entropy with real and made images, and for the generator the loss that does not saturate
    (Goodfellow et al. 2014, section 3; Radford et al. 2015). "relativistic": each real image is compared with a made
    one, and the discriminator's gradients at both are penalised (R3GAN: Huang et al. 2024, equations 1 to 4, after
    Jolicoeur-Martineau 2018 and Mescheder et al. 2018). Differs: both networks see the same made images in a step,
    which saves a pass through the generator.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        *,
        loss: GanLoss = "relativistic",
        penalty: float = 1.0,
        lr: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.99),
        seed: int = 0,
        image: str = "image",
    ) -> None:
        """Put the parts together.

        Args:
            generator: What is kept.
            discriminator: What it learns from.
            loss: See above.
            penalty: Weight of both penalties, half of it on each squared gradient; of no use for the classic loss.
            lr: Of Adam, for both networks, until a loop sets another one.
            betas: Of Adam.
            seed: Of the latent vectors, by step.
            image: The input of a batch that holds the images.

        Raises:
            ConfigError: an unknown loss, or numbers out of range.
        """
        if loss not in ("classic", "relativistic"):
            raise ConfigError(f"AdversarialStep.loss must be 'classic' or 'relativistic', got {loss!r}.")
        if not (math.isfinite(penalty) and penalty >= 0):
            raise ConfigError(f"AdversarialStep.penalty must be at least 0 and finite, got {penalty}.")
        if loss == "relativistic" and discriminator.normalise:
            raise ConfigError(
                "The penalties of the relativistic loss suppose that an image's logit depends on that image alone: "
                "build the discriminator with normalise=False."
            )
        self.networks = {"generator": generator, "discriminator": discriminator}
        self.optimizers = {
            name: torch.optim.Adam([{"params": list(network.parameters()), "rate": 1.0}], lr=lr, betas=betas)
            for name, network in self.networks.items()
        }
        self.generator, self.discriminator = generator, discriminator
        self.loss, self.penalty, self.seed, self.image = loss, penalty, seed, image

    def run(self, batch: Batch, step: StepInfo) -> dict[str, Tensor]:
        """See `TrainStep.run`."""
        real = as_signed(batch.inputs[self.image])
        latents = draw_latents(len(real), self.generator.latent, self.seed, "gan latents", step.number)
        with autocast(real.device, step.dtype):
            made = self.generator(latents.to(real.device))
            judged, penalised = self._judge(real, made.detach())
        ((judged + penalised) * step.fraction).backward()
        self._update("discriminator", step)
        # The discriminator's own gradients are not needed here; leaving them out saves a third of its backward pass.
        self.discriminator.requires_grad_(False)
        try:
            with autocast(real.device, step.dtype):
                deceived = self._deceive(real, made)
            (deceived * step.fraction).backward()
        finally:
            self.discriminator.requires_grad_(True)
        self._update("generator", step)
        losses = {"generator": deceived, "discriminator": judged, "penalty": penalised}
        return {name: loss.detach().float() for name, loss in losses.items()}

    def _judge(self, real: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
        """The discriminator's loss, and the penalty on its gradients."""
        penalised = self.loss == "relativistic" and self.penalty > 0
        real, made = (each.detach().requires_grad_(penalised) for each in (real, made))
        on_real, on_made = self.discriminator(real).float(), self.discriminator(made).float()
        if self.loss == "classic":
            return F.softplus(-on_real).mean() + F.softplus(on_made).mean(), real.new_zeros(())
        loss = F.softplus(on_made - on_real).mean()
        if not penalised:
            return loss, real.new_zeros(())
        gradients = torch.autograd.grad((on_real.sum() + on_made.sum()), (real, made), create_graph=True)
        squared = torch.stack([each.float().square().sum(dim=(1, 2, 3)).mean() for each in gradients]).sum()
        return loss, self.penalty / 2 * squared

    def _deceive(self, real: Tensor, made: Tensor) -> Tensor:
        """The generator's loss."""
        on_made = self.discriminator(made).float()
        if self.loss == "classic":
            return F.softplus(-on_made).mean()
        with torch.no_grad():
            on_real = self.discriminator(real).float()
        return F.softplus(on_real - on_made).mean()

    def _update(self, name: str, step: StepInfo) -> None:
        if step.ends:
            self.optimizers[name].step()
            self.optimizers[name].zero_grad(set_to_none=True)
