//===- Routes.h - Which request is answered by what ---------------------------------*- C++ -*-===//
//
// Looks at path, method and key on the event loop's thread, and hands on what takes longer.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/server/Answering.h"
#include "runtime/server/ApiKeys.h"
#include "runtime/server/BrowserGuard.h"
#include "runtime/server/ServedModel.h"
#include "runtime/server/WorkQueue.h"
#include <set>

namespace nibble::server {

/// What the routes stand on; all of it outlives them.
struct Backstage {
  const ServedModel &model;
  Service &service;
  Metrics &metrics;
  Mailbox<Letter> &mailbox;
  WorkQueue &work;
  Reception &reception;
  LogWriter &warnings;
  ApiKeys keys;
  BrowserGuard guard;
  std::chrono::milliseconds timeout{0};   // of a generation; 0: none
  std::function<ClientFigures()> clients; // as they are now
};

class Routes {
public:
  explicit Routes(Backstage &backstage) : backstage(backstage) {}

  void handle(http::Request request, http::Response response);
  /// Whether the body of a request is worth reading: not where handle() refuses it by its headers alone.
  bool wantsBody(const http::Request &request) const;
  /// What HTTP itself forbids, as an error of this server.
  http::Reply refuse(unsigned status, const std::string &reason);

private:
  using VisitPtr = std::shared_ptr<Visit>;
  struct Route {
    std::string_view path, method;
    void (Routes::*answer)(const VisitPtr &);
    bool isOpen = false;   // without a key
    bool isSlow = false;   // goes to the work queue
    bool isPrefix = false; // whatever follows the path is its argument
  };
  static const Route table[];

  void health(const VisitPtr &visit);
  void metrics(const VisitPtr &visit);
  void models(const VisitPtr &visit);
  void model(const VisitPtr &visit);
  void chat(const VisitPtr &visit);
  void completions(const VisitPtr &visit);
  void embeddings(const VisitPtr &visit);
  void tokenize(const VisitPtr &visit);
  void detokenize(const VisitPtr &visit);

  /// The route of a path; null: none.
  static const Route *find(std::string_view path);
  /// Whether the visitor may enter; answers where not. Knows then whose the request is.
  bool admit(Visit &visit);
  void preflight(const VisitPtr &visit, std::string_view methods);
  /// What a request's body asks for; its fields are needed once more later.
  template <typename Asked, typename Prepared>
  Answered<Prepared> prepare(Visit &visit, Answered<Asked> (&parse)(const Json &, const RequestRules &),
                             Answered<Prepared> (&prepareParsed)(const ServedModel &, Asked),
                             GenerationFields &fields);
  AnswerHead headOf(std::string_view prefix) const;
  void generate(const VisitPtr &visit, std::unique_ptr<Answer> answer, Answering::Shape shape,
                std::vector<GenerationRequest> requests, const GenerationFields &fields);
  /// Says once of each field that it means nothing here.
  void warnOfUnknown(const std::vector<std::string> &fields);

  Backstage &backstage;
  std::mutex mutex; // of `warned`
  std::set<std::string> warned;
};

} // namespace nibble::server
