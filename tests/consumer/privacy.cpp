// The accountants alone: prints epsilon of 1,000 steps of DP-SGD.
#include <starling/privacy/accountant.h>

#include <cstdio>

int main() {
  const starling::Event steps{starling::GaussianMechanism{1.0}, starling::PoissonSampling{0.01},
                              1000};
  const auto bound =
      starling::make_accountant("rdp")->epsilon({&steps, 1}, starling::Relation::add_remove, 1e-5);
  std::printf("epsilon %.4f\n", bound.epsilon);
  return bound.epsilon > 2.0 && bound.epsilon < 2.2 ? 0 : 1;
}
