#pragma once
// Random layers (dropout) draw from one generator of LibTorch's, which a process shares. Under
// privacy their masks must be as secret as the noise: where an adversary knows them, one example
// more shifts the masks of all that follow it in its batch, and clipping no longer bounds what one
// example changes.

#include <c10/core/Device.h>

#include "starling/train/batches.h"

namespace starling {

// Puts LibTorch's CPU generator at the beginning of the owner's dropout stream. With the owner's
// secret key the whole state of the generator is secret; the same owner gives the same masks again,
// as long as nobody else draws from the generator meanwhile. The generator of another device takes
// no more than a seed of 64 bits from that stream: its masks are repeatable, and NOT secret.
void seed_random_layers(const StreamOwner& owner, c10::Device device = c10::kCPU);

}  // namespace starling
