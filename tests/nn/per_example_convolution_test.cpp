// Convolutions as they are, against one example at a time.

#include "nn/per_example_layers.h"

namespace starling::testing {
namespace {

namespace nn = torch::nn;

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Conv1d) {
  expect_exact(nn::Sequential(nn::Conv1d(nn::Conv1dOptions(2, 4, 3).stride(2).padding(1)),
                              nn::Tanh(), nn::Conv1d(nn::Conv1dOptions(4, 3, 2).dilation(2))),
               {2, 9}, "conv1d");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Conv2d) {
  expect_exact(
      nn::Sequential(nn::Conv2d(nn::Conv2dOptions(2, 9, {3, 2}).stride({2, 1}).padding({1, 0})),
                     nn::Tanh(), nn::Conv2d(nn::Conv2dOptions(9, 16, 2).dilation({1, 2}))),
      {2, 7, 6}, "conv2d");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Conv2dGroups) {
  expect_exact(
      nn::Sequential(nn::Conv2d(nn::Conv2dOptions(4, 6, 3).groups(2).padding(1).bias(false))),
      {4, 5, 5}, "groups");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_Conv3d) {
  expect_exact(
      nn::Sequential(nn::Conv3d(nn::Conv3dOptions(2, 3, {2, 3, 2}).stride({1, 2, 1}).padding(1)),
                     nn::Tanh()),
      {2, 4, 5, 4}, "conv3d");
}

int64_t draw(int64_t low, int64_t high) {
  return torch::randint(low, high + 1, {1}).item<int64_t>();
}

// Kernel widths and channels around every block of the direct kernel.
TEST_F(PerExampleLayers, MatchesOneExampleAtATime_ConvolutionsOfRandomShape) {
  for (int trial = 0; trial < 24; ++trial) {
    const int64_t groups = draw(1, 3), in = groups * draw(1, 4), out = groups * draw(1, 21);
    const int64_t height = draw(1, 4), width = 1 + trial % 9, dilation = draw(1, 2);
    const auto options = nn::Conv2dOptions(in, out, {height, width})
                             .groups(groups)
                             .stride({draw(1, 3), draw(1, 3)})
                             .padding({draw(0, 2), draw(0, 2)})
                             .dilation({1, dilation});
    nn::Conv2d convolution(options);
    const auto subject =
        subject_of(convolution, {in, height + draw(0, 4), (width - 1) * dilation + 1 + draw(0, 4)});
    const auto inputs = subject.inputs(3);
    const Clipping clipping;
    expect_same(subject, clipped_sums(subject, inputs, clipping),
                one_example_at_a_time(subject, inputs, clipping), "trial " + std::to_string(trial));
  }
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_ConvTranspose2d) {
  expect_exact(nn::Sequential(nn::ConvTranspose2d(nn::ConvTranspose2dOptions(3, 4, 3).stride(2)),
                              nn::Tanh()),
               {3, 3, 4}, "transposed");
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_ConvTransposeOfGroupsWithOutputPadding) {
  const auto options = nn::ConvTranspose2dOptions(4, 6, {3, 2})
                           .groups(2)
                           .stride({2, 3})
                           .padding({1, 0})
                           .output_padding({1, 2})
                           .dilation({2, 1});
  nn::Sequential model{nn::ConvTranspose2d(options)};
  expect_exact(model, {4, 3, 4}, "groups");
  PerExampleGradients engine(parameters_of(model));
  engine.backward(loss_of(model->forward(normal({2, 4, 3, 4}, torch::kFloat32))), Clipping());
  EXPECT_TRUE(engine.without_rule().empty());
}

TEST_F(PerExampleLayers, MatchesOneExampleAtATime_ConvTranspose1dAnd3d) {
  expect_exact(nn::Sequential(nn::ConvTranspose1d(nn::ConvTranspose1dOptions(3, 2, 3))), {3, 4},
               "1d");
  expect_exact(nn::Sequential(nn::ConvTranspose3d(nn::ConvTranspose3dOptions(2, 2, 2))),
               {2, 2, 3, 2}, "3d");
}

}  // namespace
}  // namespace starling::testing
