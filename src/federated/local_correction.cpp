#include "federated/local_correction.h"

#include <torch/nn/module.h>

namespace starling {

std::shared_ptr<const GradientCorrection> local_correction(const Model& model, const Server& server,
                                                           const ClientState& state) {
  return as_correction(model, server, server.strategy().correction(state.memory));
}

std::shared_ptr<const GradientCorrection> as_correction(const Model& model, const Server& server,
                                                        const LocalCorrection& flat) {
  if (flat.proximal == 0.0 && flat.offset.empty()) return nullptr;
  auto correction = std::make_shared<GradientCorrection>();
  correction->proximal = flat.proximal;
  const auto parameters = model.parameters();  // the layout's first parts, in its order
  for (size_t p = 0; p < parameters.size(); ++p) {
    if (!parameters[p].requires_grad()) continue;
    const auto& part = server.layout().parts().at(p);
    correction->center.push_back(server.global().at(part.name).to(parameters[p].device()));
    if (flat.offset.empty()) continue;
    correction->offset.push_back(
        torch::from_blob(const_cast<double*>(flat.offset.data()) + part.first,
                         parameters[p].sizes(), torch::kDouble)
            .to(parameters[p].device(), parameters[p].scalar_type(), /*non_blocking=*/false,
                /*copy=*/true));
  }
  return correction;
}

}  // namespace starling
