#include "http/message.h"

namespace hallmark {

HttpResponse TextResponse(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::make_shared<const std::string>(std::move(text));
  return response;
}

}  // namespace hallmark
