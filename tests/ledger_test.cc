#include "store/ledger.h"

#include <gmock/gmock.h>

#include "tests/status_matchers.h"
#include "tests/store_fixtures.h"

namespace hallmark {
namespace {

using testing::MerkleTreeHash;

// The eight leaves and the roots that Certificate Transparency's implementations of RFC 6962 test with.
TEST(LedgerTest, RootsAreTheWellKnownOnes) {
  const std::vector<std::string> leaves = {
      "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
  const std::vector<std::string> roots = {
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
  };
  MerkleFrontier ledger;
  EXPECT_EQ(Hex(ledger.Root()), roots[0]);
  for (size_t i = 0; i < leaves.size(); ++i) {
    const auto leaf = FromHex(leaves[i]);
    ASSERT_THAT(leaf, testing::IsOk());
    ledger.Append(LeafHash(*leaf));
    EXPECT_EQ(Hex(ledger.Root()), roots[i + 1]) << "after leaf " << i;
  }
}

TEST(LedgerTest, RootsAreTheDefinitionsForEverySize) {
  MerkleFrontier ledger;
  std::vector<std::string> entries;
  for (int n = 0; n <= 130; ++n) {
    EXPECT_EQ(ledger.size(), entries.size());
    EXPECT_EQ(Hex(ledger.Root()), Hex(MerkleTreeHash(entries))) << n << " leaves";
    entries.push_back(testing::ExampleEntry(n));
    ledger.Append(LeafHash(AsBytes(entries.back())));
  }
}

TEST(LedgerTest, ACopyGrowsAlone) {
  MerkleFrontier ledger;
  for (int n = 0; n < 3; ++n) ledger.Append(LeafHash(AsBytes(testing::ExampleEntry(n))));
  const Digest before = ledger.Root();
  MerkleFrontier copy = ledger;
  copy.Append(LeafHash(AsBytes("one more")));
  EXPECT_EQ(ledger.Root(), before);
  EXPECT_NE(copy.Root(), before);
}

}  // namespace
}  // namespace hallmark
