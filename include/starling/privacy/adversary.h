#pragma once
// Whom a guarantee holds against.

namespace starling {

enum class Adversary {
  server_and_models,   // whoever sees each client's upload and every model
  every_global_model,  // whoever sees the global model of every round; the server is trusted
  final_model,         // whoever sees the last model alone
};

}  // namespace starling
