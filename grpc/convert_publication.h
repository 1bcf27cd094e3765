// Between publish/ and the messages of hallmark.v1.Publication.
#pragma once

#include "hallmark/v1/publication.pb.h"
#include "publish/publications.h"

namespace hallmark {

v1::Target ToProto(const TargetStatus& status);
v1::PublicationPlan ToProto(const ChainPlan& plan);
v1::WorkItem ToProto(const WorkRecord& work);
v1::ReconcileTargetResponse::Drift ToProto(const Drift& drift);
v1::ReconcileTargetResponse::Result ToProto(const Reconciled& result);
v1::CheckCertificateResponse ToProto(const AdmissionVerdict& verdict);
v1::LotAdmission ToProto(const LotAdmission& admission);
v1::Enrollment ToProto(const Enrollment& enrollment);

}  // namespace hallmark
