#include "nn/graph/node_kinds.h"

#include <torch/csrc/autograd/generated/Functions.h>

#include <typeindex>
#include <unordered_set>

namespace starling::graph {
namespace {

namespace generated = torch::autograd::generated;
using Types = std::unordered_set<std::type_index>;

template <class... Kinds>
Types types() {
  return {std::type_index(typeid(Kinds))...};
}

bool contains(const Types& kinds, const Node& node) {
  return kinds.count(std::type_index(typeid(node))) > 0;
}

bool all_edges_valid(const Node& node) {
  for (const auto& edge : node.next_edges()) {
    if (!edge.is_valid()) return false;
  }
  return true;
}

// An operand that does not require a gradient is a constant of the program only if it is a number.
bool is_number(const torch::autograd::SavedVariable& saved) {
  const auto value = saved.unpack();
  return !value.defined() || value.unsafeGetTensorImpl()->is_wrapped_number();
}

bool is_data_free_product(generated::MulBackward0& node) {
  if (all_edges_valid(node)) return true;
  return node.next_edge(0).is_valid() ? is_number(node.other_) : is_number(node.self_);
}

bool is_data_free_quotient(generated::DivBackward0& node) {
  if (all_edges_valid(node)) return true;
  return node.next_edge(0).is_valid() && is_number(node.other_);
}

// Position embeddings look up consecutive rows: 0, 1, 2, ...
bool is_data_free_lookup(generated::EmbeddingBackward0& node) {
  const auto indices = node.indices_.unpack().flatten();
  if (indices.numel() == 0) return true;
  const auto first = indices[0].item<int64_t>();
  return torch::equal(indices, torch::arange(first, first + indices.numel(), indices.options()));
}

template <class BatchNorm>
bool trains_on_batch(Node& node, int64_t batch) {
  const auto* norm = dynamic_cast<BatchNorm*>(&node);
  if (norm == nullptr || !norm->training) return false;
  // Instance normalisation runs the same operation on [1, batch * channels, ...], one channel an
  // example, and repeats its weight for that.
  const auto input = norm->input_.unpack();
  const auto& weight = node.num_outputs() > 1 ? node.next_edge(1) : Edge();
  const bool repeated = !weight.is_valid() || is_repeat(*weight.function);
  return !(input.size(0) == 1 && input.size(1) % batch == 0 && repeated);
}

}  // namespace

bool is_view(const Node& node) {
  using namespace torch::autograd::generated;
  static const Types kinds =
      types<TBackward0, TransposeBackward0, ViewBackward0, UnsafeViewBackward0,
            ReshapeAliasBackward0, PermuteBackward0, UnsqueezeBackward0, SqueezeBackward0,
            SqueezeBackward1, SliceBackward0, SelectBackward0, AliasBackward0, CloneBackward0>();
  return contains(kinds, node);
}

bool is_repeat(const Node& node) {
  static const Types kinds = types<generated::ExpandBackward0, generated::RepeatBackward0>();
  return contains(kinds, node);
}

bool is_transpose(const Node& node) { return typeid(node) == typeid(generated::TBackward0); }

bool is_matrix_product(const Node& node) {
  return typeid(node) == typeid(generated::AddmmBackward0) ||
         typeid(node) == typeid(generated::MmBackward0);
}

bool is_data_free(Node& node) {
  using namespace torch::autograd::generated;
  static const Types closed =
      types<AddBackward0, AddBackward1, SubBackward0, SubBackward1, MulBackward1, DivBackward1,
            NegBackward0, PowBackward0, SqrtBackward0, RsqrtBackward0, SumBackward0, SumBackward1,
            MeanBackward0, MeanBackward1, NormBackward0, NormBackward1, LinalgVectorNormBackward0,
            ExpBackward0, LogBackward0, SoftplusBackward0, SigmoidBackward0, TanhBackward0,
            ReciprocalBackward0, WeightNormInterfaceBackward0, SplitBackward0, UnbindBackward0,
            CatBackward0, StackBackward0, MmBackward0>();
  if (is_view(node)) return true;
  if (contains(closed, node)) {
    // A sum with a number has one edge; with a constant tensor as well, and then it may be data.
    return all_edges_valid(node);
  }
  if (auto* product = dynamic_cast<MulBackward0*>(&node)) return is_data_free_product(*product);
  if (auto* quotient = dynamic_cast<DivBackward0*>(&node)) return is_data_free_quotient(*quotient);
  if (auto* lookup = dynamic_cast<EmbeddingBackward0*>(&node)) return is_data_free_lookup(*lookup);
  return false;
}

bool moves_entries(const Node& node) {
  using namespace torch::autograd::generated;
  static const Types kinds =
      types<IndexBackward0, IndexSelectBackward0, IndexPutBackward0, GatherBackward0,
            ScatterBackward0, ScatterAddBackward0, ScatterReduceBackward0, IndexAddBackward0,
            IndexCopyBackward0, IndexReduceBackward0, MaskedSelectBackward0, MaskedScatterBackward0,
            TakeBackward0, SortBackward0, SortBackward1, TopkBackward0, PackPaddedSequenceBackward0,
            SegmentReduceBackward0, SplitWithSizesBackward0, AsStridedBackward0, RollBackward0>();
  return contains(kinds, node);
}

std::string mixing_reason(Node& node, int64_t batch) {
  using namespace torch::autograd::generated;
  const bool batch_norm = trains_on_batch<NativeBatchNormBackward0>(node, batch) ||
                          trains_on_batch<CudnnBatchNormBackward0>(node, batch) ||
                          trains_on_batch<MiopenBatchNormBackward0>(node, batch);
  if (batch_norm) {
    return "batch normalisation in training mode mixes the examples of a batch; use GroupNorm, or "
           "put the layer into evaluation mode";
  }
  const auto* lookup = dynamic_cast<EmbeddingBackward0*>(&node);
  const auto* bag = dynamic_cast<EmbeddingBagBackward0*>(&node);
  if ((lookup && lookup->scale_grad_by_freq) || (bag && bag->scale_grad_by_freq)) {
    return "an embedding with scale_grad_by_freq counts tokens over the whole batch; leave that "
           "option off";
  }
  return "";
}

}  // namespace starling::graph
