/* webhook_post.c: a message of a queue as an HTTP request, and what its answer means. */
#include "server/webhook/webhook_post.h"

#include "base/buffer.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

enum { CONNECT_TIMEOUT_MS = 10000, ID_SIZE_MAX = 1024 };

/* A payload has 64 KiB; as JSON it is larger than this only if it holds something many times over. */
#define JSON_SIZE_MAX ((size_t)1024 * 1024)

/* ---- The body ---- */

typedef struct payload_form {
  const char *name;
  const char *content_type;
} payload_form;

static const payload_form json_form = {"json", "application/json"};
static const payload_form bytes_form = {"bytes", "application/octet-stream"};
static const payload_form v8_form = {"v8", "application/octet-stream"};

/* The form that most languages can read, of those that can say the value. Errors: TUPLET_NOMEM. */
static tuplet_status choose_form(const tuplet_allocator *allocator, tuplet_bytes payload,
                                 tuplet_owned *ret_owned, tuplet_bytes *ret_body,
                                 const payload_form **ret_form, tuplet_error *error) {
  const tuplet_value value = {.encoding = TUPLET_ENCODING_V8, .data = payload};
  tuplet_node *root;
  tuplet_value again = value;
  *ret_form = &v8_form;
  *ret_body = payload;
  tuplet_tree *tree = tuplet_tree_new(allocator);
  if (tree == NULL) return tp_fail_nomem(error);
  tuplet_status status = tuplet_tree_decode(tree, value, &root, error);
  if (status == TUPLET_OK && root->type == TUPLET_NODE_VIEW && root->as.view.type == TUPLET_VIEW_UINT8) {
    status = tuplet_tree_encode(root, allocator, &again, ret_owned, error);
    if (status == TUPLET_OK && again.encoding == TUPLET_ENCODING_BYTES) {
      *ret_form = &bytes_form;
      *ret_body = again.data;
    }
  } else if (status == TUPLET_OK) {
    status = tuplet_tree_print_json(root, allocator, ret_owned, error);
    if (status == TUPLET_OK && ret_owned->size > JSON_SIZE_MAX) {
      tuplet_owned_free(ret_owned);
    } else if (status == TUPLET_OK) {
      *ret_form = &json_form;
      *ret_body = (tuplet_bytes){ret_owned->data, ret_owned->size};
    }
  }
  tuplet_tree_free(tree);
  return status == TUPLET_NOMEM ? status : TUPLET_OK;
}

/* ---- Headers ---- */

static bool add_header(tp_webhook_post *post, const char *line) {
  struct curl_slist *longer = curl_slist_append(post->headers, line);
  if (longer != NULL) post->headers = longer;
  return longer != NULL;
}

/* Ids are any text: whoever else writes the file may have made them. What cannot stand in a header, and '%',
 * stands as %XX. */
static bool add_id(tp_webhook_post *post, tuplet_bytes id) {
  static const char name[] = "tuplet-message-id: ";
  char line[sizeof name + (size_t)3 * ID_SIZE_MAX];
  size_t size = sizeof name - 1;
  const uint8_t *bytes = id.data;
  memcpy(line, name, size);
  for (size_t i = 0; i < id.size && i < ID_SIZE_MAX; i++) {
    if (bytes[i] > ' ' && bytes[i] <= '~' && bytes[i] != '%')
      line[size++] = (char)bytes[i];
    else
      size += (size_t)snprintf(line + size, 4, "%%%02X", bytes[i]);
  }
  line[size] = '\0';
  return add_header(post, line);
}

static bool add_headers(tp_webhook_post *post, const tp_webhook_post_config *config,
                        const tp_delivery *delivery, const payload_form *form) {
  char line[256];
  (void)snprintf(line, sizeof line, "content-type: %s", form->content_type);
  bool is_added = add_header(post, line);
  (void)snprintf(line, sizeof line, "tuplet-payload: %s", form->name);
  is_added = is_added && add_header(post, line);
  (void)snprintf(line, sizeof line, "tuplet-database: %s", config->database);
  is_added = is_added && add_header(post, line);
  (void)snprintf(line, sizeof line, "tuplet-attempt: %u", delivery->attempt);
  is_added = is_added && add_header(post, line) && add_id(post, delivery->id);
  return is_added && add_header(post, "expect:"); /* the body is small, and so sent without asking */
}

/* ---- The request ---- */

/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl's type */
static size_t on_answer(char *data, size_t one, size_t size, void *context) {
  (void)data;
  (void)one;
  tp_webhook_post *post = context;
  post->received += size;
  return post->received <= TP_WEBHOOK_ANSWER_SIZE_MAX ? size : 0; /* 0 ends it */
}

/* What a client of ours has to be told of all its requests. */
static bool set_options(tp_webhook_post *post, const tp_webhook_post_config *config, void *context) {
  CURL *easy = post->easy;
  char agent[64];
  long timeout_ms = (long)config->timeout_ms;
  (void)snprintf(agent, sizeof agent, "tuplet/%s", tuplet_version());
  bool is_set = curl_easy_setopt(easy, CURLOPT_URL, config->url) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_USERAGENT, agent) == CURLE_OK &&
                curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK; /* whatever the environment says */
  if (config->token != NULL)
    is_set = is_set && curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER) == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, config->token) == CURLE_OK;
  if (config->ca_file != NULL)
    is_set = is_set && curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file) == CURLE_OK &&
             curl_easy_setopt(easy, CURLOPT_CAPATH, (char *)NULL) == CURLE_OK;
  /* These take numbers and pointers, and cannot run out of memory. */
  (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a name that is looked up holds no end up */
  (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
  (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                         timeout_ms < CONNECT_TIMEOUT_MS ? timeout_ms : (long)CONNECT_TIMEOUT_MS);
  (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
  (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, post);
  (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, context);
  return is_set;
}

tuplet_status tp_webhook_post_prepare(tp_webhook_post *post, const tp_webhook_post_config *config,
                                      const tp_delivery *delivery, void *context, tuplet_error *error) {
  const payload_form *form;
  tuplet_bytes body;
  post->received = 0;
  if (post->easy == NULL) post->easy = curl_easy_init();
  if (post->easy == NULL) return tp_fail_nomem(error);
  curl_easy_reset(post->easy);
  tuplet_status status = choose_form(config->allocator, delivery->payload, &post->body, &body, &form, error);
  if (status != TUPLET_OK) return status;
  if (!set_options(post, config, context) || !add_headers(post, config, delivery, form))
    return tp_fail_nomem(error);
  (void)curl_easy_setopt(post->easy, CURLOPT_HTTPHEADER, post->headers);
  (void)curl_easy_setopt(post->easy, CURLOPT_POST, 1L);
  (void)curl_easy_setopt(post->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
  (void)curl_easy_setopt(post->easy, CURLOPT_POSTFIELDS, body.size > 0 ? body.data : "");
  return TUPLET_OK;
}

bool tp_webhook_post_is_success(const tp_webhook_post *post, CURLcode code, char *ret_reason, size_t size) {
  long status = 0;
  (void)curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
  bool is_cut = code == CURLE_WRITE_ERROR && post->received > TP_WEBHOOK_ANSWER_SIZE_MAX;
  ret_reason[0] = '\0';
  if (code != CURLE_OK && !is_cut) {
    (void)snprintf(ret_reason, size, "%s", curl_easy_strerror(code));
    return false;
  }
  if (status >= 200 && status <= 299) return true;
  (void)snprintf(ret_reason, size, "the answer was %ld", status);
  return false;
}

void tp_webhook_post_done(tp_webhook_post *post) {
  if (post->easy != NULL) curl_easy_reset(post->easy); /* it points to what goes now */
  curl_slist_free_all(post->headers);
  post->headers = NULL;
  tuplet_owned_free(&post->body);
}
