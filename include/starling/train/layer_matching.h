#pragma once
// Distillation from layers between the images and the answer (distill.h takes the answers alone).
//
// Hints (FitNets, Romero et al. 2015, arXiv 1412.6550, equation 3): half the squared distance of
// the teacher's activations from a projection of the student's, here as a mean over the values, so
// that a weight means the same for every layer. The projection is affine, learnt with the student
// and left out of it: a matrix for [batch, features]; for [batch, channels, height, width] a
// convolution without padding, whose kernel is as much larger than 1 as the student's image is
// larger than the teacher's (section 2.2 there).
//
// Attention transfer (Zagoruyko and Komodakis 2017, arXiv 1612.03928, equation 2): half the squared
// distance of the two attention maps, squared as in the authors' code. Channels may differ, images
// must be of one size.
//
// Both papers train by hints before, or by labels beside, the answers; here one loss is the
// weighted sum of all.

#include <torch/types.h>

#include <memory>
#include <span>
#include <vector>

#include "starling/nn/model.h"
#include "starling/train/layer_match.h"

namespace starling {

// [n, H W]: the sum over channels of the squares of activations [n, C, H, W], over its L2 norm;
// zeros for an example without activations.
torch::Tensor attention_map(const torch::Tensor& activations);

// What the student is to reach, one tensor [n, ...] a match, on the CPU: the activations of the
// teacher's layer for features [n, ...], or their attention map. In evaluation mode and without
// gradients, `batch_size` examples at a time; all of it stays in memory.
std::vector<torch::Tensor> layer_targets(Model& teacher, const torch::Tensor& features,
                                         std::span<const LayerMatch> matches, int64_t batch_size);

// A student with the projections of its hints, which are parameters beside its own.
class MatchedStudent final : public Model {
 public:
  // `sample`: some examples, [n, ...]. Projections begin as LibTorch's layers do, from its default
  // generator. Errors: Error that names the match whose layers are unknown or do not fit.
  MatchedStudent(std::shared_ptr<Model> student, Model& teacher, std::vector<LayerMatch> matches,
                 const torch::Tensor& sample);

  torch::Tensor forward(torch::Tensor input) override { return student_->forward(input); }

  struct Matched {
    torch::Tensor logits;  // [B, classes]
    torch::Tensor losses;  // [B]: the weighted sum over the matches
  };
  // `targets` are the rows of layer_targets for these features.
  Matched match(const torch::Tensor& features, std::span<const torch::Tensor> targets);

 private:
  struct Projection {
    torch::Tensor weight, bias;  // undefined where nothing is projected
  };

  std::shared_ptr<Model> student_;
  std::vector<LayerMatch> matches_;
  std::vector<std::string> layers_;  // of the student, one a match
  std::vector<Projection> projections_;
};

}  // namespace starling
