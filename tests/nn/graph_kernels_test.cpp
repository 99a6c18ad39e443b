// The products of nn/graph/kernels.h against LibTorch's in double precision, at sizes around their
// blocks: 6 rows, panels of 64 columns and less, 256 rows of the sum at a time.

#include "nn/graph/kernels.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <vector>

#include "nn/graph/packed_matrix.h"

namespace starling::graph {
namespace {

template <class T>
std::vector<const T*> rows_of(const torch::Tensor& matrix) {
  std::vector<const T*> rows;
  for (int64_t row = 0; row < matrix.size(0); ++row)
    rows.push_back(matrix[row].template const_data_ptr<T>());
  return rows;
}

template <class T, class Product>
void expect_weighted_product(Product product, torch::ScalarType type, double tolerance) {
  for (const int64_t length : {1, 3, 256, 257, 600}) {
    for (const int64_t columns : {1, 15, 64, 65, 130}) {
      SCOPED_TRACE(testing::Message() << length << " x " << columns);
      const int64_t rows = 20;
      const auto left = torch::randn({length, rows}, type);
      const auto right = torch::randn({length, columns}, type);
      const auto factors = torch::rand({length}, type);
      const auto lefts = rows_of<T>(left), rights = rows_of<T>(right);
      auto result = torch::full({rows, columns}, 7, type);
      std::vector<T> scratch(product_scratch(length, rows, 64));
      const WeightedRows<T> in{lefts.data(), rights.data(), factors.template const_data_ptr<T>(),
                               length, columns};
      product(in, 0, 13, result.template mutable_data_ptr<T>(), scratch.data());
      EXPECT_TRUE(result.slice(0, 13).eq(7).all().template item<bool>()) << "rows not asked for";
      product(in, 13, rows, result.template mutable_data_ptr<T>(), scratch.data());
      const auto expected = (left.to(torch::kDouble) * factors.to(torch::kDouble).unsqueeze(1))
                                .t()
                                .mm(right.to(torch::kDouble));
      EXPECT_LT((result - expected).abs().max().template item<double>(), tolerance);
    }
  }
}

TEST(GraphKernels, WeightedProductOfFloats) {
  torch::manual_seed(1);
  expect_weighted_product<float>(kernels().weighted_product_f32, torch::kFloat, 1e-4);
}

TEST(GraphKernels, WeightedProductOfDoubles) {
  torch::manual_seed(2);
  expect_weighted_product<double>(kernels().weighted_product_f64, torch::kDouble, 1e-12);
}

TEST(GraphKernels, PackedMatrixGivesARowTheSameBitsWhereverItStands) {
  torch::manual_seed(3);
  for (const int64_t columns : {1, 17, 64, 100}) {
    const auto matrix = torch::randn({37, columns}), left = torch::randn({5, 4, 37});
    const PackedMatrix packed(matrix);
    const auto product = packed.multiply(left);
    EXPECT_LT((product - left.matmul(matrix)).abs().max().item<float>(), 1e-4) << columns;
    auto alone = torch::empty({columns});
    packed.multiply(left[3][2].const_data_ptr<float>(), 37, 1, alone.mutable_data_ptr<float>());
    EXPECT_TRUE(torch::equal(alone, product[3][2])) << columns;
  }
}

}  // namespace
}  // namespace starling::graph
