// Shell completion, made from the tree of commands itself, so that it knows what the program knows.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace hallmark::cli {

// A script for "bash", "zsh" or "fish" that completes the commands, options and choices of `app`; where a value is
// anything else, files.
std::string CompletionScript(const CLI::App& app, const std::string& shell);

}  // namespace hallmark::cli
