#pragma once
// Random layers (dropout) draw from one generator of LibTorch's, which a process shares. Under
// privacy their masks must be as secret as the noise: where an adversary knows them, one example
// more shifts the masks of all that follow it in its batch, and clipping no longer bounds what one
// example changes.

#include "starling/train/batches.h"

namespace starling {

// Puts LibTorch's CPU generator at the beginning of the owner's dropout stream. With the owner's
// secret key the whole state of the generator is secret; the same owner gives the same masks again,
// as long as nobody else draws from the generator meanwhile.
void seed_random_layers(const StreamOwner& owner);

}  // namespace starling
