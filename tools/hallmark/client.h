// The service's calls as plain functions over its messages; what knows gRPC is in client.cc alone.
//
// An error is what the service answered (FromRpc), or SERVICE_UNREACHABLE with kUnavailable when there was no
// connection or it broke, or DEADLINE_EXCEEDED. Everything but issuance is tried up to four times while the service is
// kUnavailable, for at most 30 s in all. One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "hallmark/v1/authorities.pb.h"
#include "hallmark/v1/issuance.pb.h"
#include "hallmark/v1/lots.pb.h"
#include "hallmark/v1/profiles.pb.h"
#include "hallmark/v1/publication.pb.h"
#include "hallmark/v1/revocation.pb.h"
#include "hallmark/v1/stations.pb.h"
#include "tools/hallmark/batch.h"
#include "tools/hallmark/context.h"

namespace hallmark::cli {

class Client {
 public:
  // Touches the network with the first call only. `clock` outlives the client.
  Client(const Context& context, const Clock& clock);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // Asks once and waits until `deadline`.
  StatusOr<v1::Certificate> IssueCertificate(const v1::IssueCertificateRequest& request, Time deadline);

  // Sends what waits in `batch` over one stream, at most `in_flight` requests unanswered at any time, and calls
  // `on_answer` with the indices of the requests that an answer settles. Returns OK when the batch is done, or why the
  // stream ended before that, also when nothing was answered for 15 s or the batch has expired; the caller then
  // interrupts the batch and calls again.
  using OnAnswer = std::function<void(const std::vector<size_t>& indices, const StatusOr<v1::Certificate>& answer)>;
  // `on_turn`, if given, is called whenever no answer is at hand, and every 100 ms; it may add to the batch, and ends
  // the stream by returning false.
  using OnTurn = std::function<bool()>;
  Status IssueCertificates(Batch& batch, size_t in_flight, const OnAnswer& on_answer, const OnTurn& on_turn = nullptr);

  // Carries a bundle that somebody else has signed to the service: `next` gives its octets, nothing at their end;
  // `on_response` hears the octets of the answer and the progress. Not tried again by itself; the same bundle again is
  // safe.
  Status IssueBundle(const std::function<StatusOr<std::optional<std::string>>()>& next,
                     const std::function<Status(const v1::IssueBundleResponse&)>& on_response);

  // From here on over a new connection, should the old one be dead without knowing it.
  void Reconnect();

  StatusOr<v1::ListProfilesResponse> ListProfiles();
  StatusOr<v1::Profile> GetProfile(const std::string& profile, const std::string& version);
  // Calls `on_response` for each certificate that is replayed, as it comes.
  Status ReplayProfile(const v1::ReplayProfileRequest& request,
                       const std::function<void(const v1::ReplayProfileResponse&)>& on_response);
  StatusOr<v1::Certificate> GetCertificate(const std::string& name);
  StatusOr<v1::ListCertificatesResponse> ListCertificates(const v1::ListCertificatesRequest& request);
  StatusOr<v1::Certificate> RevokeCertificate(const v1::RevokeCertificateRequest& request);
  StatusOr<v1::Certificate> ReleaseCertificate(const std::string& name);
  StatusOr<v1::Certificate> RevokeCertificateByKey(const std::string& name, const std::string& signature);
  StatusOr<v1::RevokeCertificatesResponse> RevokeCertificates(const v1::RevokeCertificatesRequest& request);
  StatusOr<v1::MassRevocation> GetMassRevocation(const std::string& name);  // "revocations/...", as is the other
  StatusOr<v1::ListMassRevocationsResponse> ListMassRevocations();
  StatusOr<v1::MassRevocation> StopMassRevocation(const std::string& name);
  StatusOr<v1::ImportedCrl> ImportCrl(const v1::ImportCrlRequest& request);
  StatusOr<v1::ListImportedCrlsResponse> ListImportedCrls();
  StatusOr<v1::RevocationStatus> GetRevocationStatus();
  StatusOr<v1::RevokeAuthorityResponse> RevokeAuthority(const v1::RevokeAuthorityRequest& request);
  StatusOr<v1::Crl> GetCrl(const v1::GetCrlRequest& request);
  StatusOr<v1::Crl> GenerateCrl(const v1::GenerateCrlRequest& request);
  StatusOr<v1::ListCrlsResponse> ListCrls(const std::string& authority);  // "authorities/devices"
  StatusOr<v1::Authority> GetAuthority(const std::string& authority);     // "authorities/devices", as are the two below
  StatusOr<v1::ExportChainResponse> ExportChain(const std::string& authority, v1::ExportChainRequest::Format format);
  StatusOr<v1::FetchCsrResponse> FetchCsr(const std::string& authority);
  StatusOr<v1::ListAuthoritiesResponse> ListAuthorities();
  StatusOr<v1::Authority> CreateAuthority(const v1::CreateAuthorityRequest& request);
  StatusOr<v1::Authority> ActivateAuthority(const v1::ActivateAuthorityRequest& request);
  StatusOr<v1::Authority> SetState(const v1::SetStateRequest& request);
  StatusOr<v1::Authority> RolloverAuthority(const v1::RolloverAuthorityRequest& request);
  StatusOr<v1::Authority> UpdateAuthority(const v1::UpdateAuthorityRequest& request);

  // Lots, in client_lots.cc.
  StatusOr<v1::ConfirmInstallationResponse> ConfirmInstallation(const v1::ConfirmInstallationRequest& request);
  // Sends what `next` gives until it is nullopt, and calls `on_progress` as the service reports it.
  StatusOr<v1::ImportLotResponse::Result> ImportLot(
      const std::function<StatusOr<std::optional<v1::ImportLotRequest>>()>& next,
      const std::function<void(const v1::ImportLotResponse::Progress&)>& on_progress);
  StatusOr<v1::Lot> GetLot(const std::string& lot);  // "lots/a-17", as are those below
  StatusOr<v1::ListLotsResponse> ListLots(const v1::ListLotsRequest& request);
  StatusOr<v1::Lot> CloseLot(const std::string& lot);
  StatusOr<v1::Reconciliation> ReconcileLot(const v1::ReconcileLotRequest& request);
  StatusOr<v1::Device> GetDevice(const std::string& device);  // "lots/a-17/devices/SN1"
  StatusOr<v1::ListDevicesResponse> ListDevices(const v1::ListDevicesRequest& request);
  StatusOr<v1::Manufacturer> CreateManufacturer(const v1::CreateManufacturerRequest& request);
  StatusOr<v1::Manufacturer> UpdateManufacturer(const v1::UpdateManufacturerRequest& request);
  StatusOr<v1::Manufacturer> GetManufacturer(const std::string& manufacturer);  // "manufacturers/acme"
  StatusOr<v1::ListManufacturersResponse> ListManufacturers();

  // Stations and callers, in client_stations.cc.
  StatusOr<v1::Certificate> EnrollStation(ByteView csr);
  StatusOr<v1::Certificate> RenewStation(const std::string& request_id, ByteView csr);
  StatusOr<v1::Suspension> SuspendCaller(const std::string& caller, const std::string& reason);  // a URI
  Status ResumeCaller(const std::string& caller);
  StatusOr<v1::ListSuspensionsResponse> ListSuspensions();

  // Targets, in client_targets.cc.
  StatusOr<v1::Target> AddTarget(const v1::AddTargetRequest& request);
  StatusOr<v1::Target> GetTarget(const std::string& target);  // "targets/contoso", as are those below
  StatusOr<v1::ListTargetsResponse> ListTargets();
  Status RemoveTarget(const std::string& target, bool force);
  StatusOr<v1::PublicationPlan> PlanPublication(const std::string& target, bool take_over);
  StatusOr<v1::Target> PublishChain(const std::string& target, bool take_over);
  // Calls `on_response` for each answer, as it comes.
  Status ReconcileTarget(const v1::ReconcileTargetRequest& request,
                         const std::function<void(const v1::ReconcileTargetResponse&)>& on_response);
  StatusOr<v1::ListWorkResponse> ListWork(const v1::ListWorkRequest& request);
  StatusOr<v1::RetryWorkResponse> RetryWork(const std::string& target);
  StatusOr<v1::CheckCertificateResponse> CheckCertificate(const v1::CheckCertificateRequest& request);
  StatusOr<v1::CheckLotResponse> CheckLot(const std::string& lot);  // "lots/a-17"
  StatusOr<v1::ListEnrollmentsResponse> ListEnrollments(const v1::ListEnrollmentsRequest& request);
  // Publication, in client_publication.cc.
  StatusOr<v1::ExportBundleResponse> ExportBundle(const std::string& authority);  // "authorities/devices"

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
};

}  // namespace hallmark::cli
