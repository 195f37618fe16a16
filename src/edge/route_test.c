#include "edge/route.h"

#include "base/check.h"
#include "base/units.h"

static void test_routes(void **state)
{
    (void)state;
    const struct {
        const char *path;
        enum route route;
    } cases[] = {
        {"/", ROUTE_STATIC},
        {"/class/7", ROUTE_STATIC},
        {"/api/me", ROUTE_WEB},
        {"/api", ROUTE_STATIC},
        {"/config.js", ROUTE_WEB},
        {"/interface_config.js", ROUTE_WEB},
        {"/tenant/config.js", ROUTE_WEB},
        {"/jitsi/config.js", ROUTE_WEB},
        {"/a/b/config.js", ROUTE_STATIC},
        {"/recordings", ROUTE_STATIC},
        {"/recordings/", ROUTE_STATIC},
        {"/recordings/0a", ROUTE_STATIC},
        {"/recordings/0a/", ROUTE_STATIC},
        {"/recordings/0a/video.mp4", ROUTE_WEB},
        {"/recordings//0a", ROUTE_STATIC},
        {"/xmpp-websocket", ROUTE_SOCKET},
        {"/tenant/xmpp-websocket", ROUTE_SOCKET},
        {"/jitsi/xmpp-websocket", ROUTE_SOCKET},
        {"//xmpp-websocket", ROUTE_STATIC},
        {"/xmpp-websocket/x", ROUTE_STATIC},
        {"/colibri-ws/0/a/b", ROUTE_BRIDGE},
        {"/colibri-ws", ROUTE_STATIC},
        {"/conference-request/v1", ROUTE_SIGNAL},
        {"/tenant/conference-request/v1", ROUTE_SIGNAL},
        {"/jitsi", ROUTE_JITSI},
        {"/jitsi/", ROUTE_JITSI},
        {"/jitsi/libs/app.js", ROUTE_JITSI},
        {"/jitsix", ROUTE_STATIC},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(route_of(slice_str(cases[i].path)), cases[i].route);
    assert_true(route_is_page(SLICE("/class/7")));
    assert_true(route_is_page(SLICE("/v1.2/class")));
    assert_true(route_is_page(SLICE("/")));
    assert_false(route_is_page(SLICE("/assets/a.js")));
    assert_true(route_is_hashed(SLICE("/assets/a-1234.js")));
    assert_false(route_is_hashed(SLICE("/assets")));
}

static void test_file_paths(void **state)
{
    (void)state;
    const struct {
        const char *path;
        int err;
        const char *file;
    } cases[] = {
        {"/", 0, ""},
        {"/a/b.js", 0, "a/b.js"},
        {"/a/", 0, "a/"},
        {"/caf%C3%A9%20x.js", 0, "caf\xc3\xa9 x.js"},
        {"/%2e%2e/etc/passwd", ERR_FORMAT, NULL},
        {"/a/../b", ERR_FORMAT, NULL},
        {"/..", ERR_FORMAT, NULL},
        {"/a/.git/config", ERR_FORMAT, NULL},
        {"/a//b", ERR_FORMAT, NULL},
        {"//etc/passwd", ERR_FORMAT, NULL},
        {"/a%2f..%2fb", ERR_FORMAT, NULL},
        {"/a%00.js", ERR_FORMAT, NULL},
        {"/a%0a", ERR_FORMAT, NULL},
        {"/a\\b", ERR_FORMAT, NULL},
        {"/a%5cb", ERR_FORMAT, NULL},
        {"/a%", ERR_FORMAT, NULL},
        {"/a%4", ERR_FORMAT, NULL},
        {"/a%4g", ERR_FORMAT, NULL},
        {"a", ERR_FORMAT, NULL},
        {"", ERR_FORMAT, NULL},
        {"/0123456789012345678901234567890123456789", ERR_LIMIT, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[32];
        assert_int_equal(route_file_path(slice_str(cases[i].path), out, sizeof out), cases[i].err);
        if (!cases[i].err)
            assert_string_equal(out, cases[i].file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_file_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
