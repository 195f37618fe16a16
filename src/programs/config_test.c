#include "base/check.h"

#include <stdlib.h>

#include "programs/config.h"

static int parse(struct config **config, const char *text, char *complaint, size_t size)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(config_new(config), 0);
    int err = config_parse(*config, slice_str(text), &out);
    if (!err)
        err = config_check(*config, &out);
    assert_true(slice_copy(buf_slice(&out), complaint, size));
    buf_done(&out);
    return err;
}

static void test_values(void **state)
{
    (void)state;
    struct config *config = NULL;
    char complaint[512];
    static const char text[] = "# a school\n"
                               "host = school.example   # its name\n"
                               "log.level=debug\n"
                               "client = \"/srv/# web\" # quoted\n"
                               "\n"
                               "[media]\n"
                               "  port = 20000\r\n"
                               "public_address = 192.0.2.1\n"
                               "public_address = 2001:db8::1\n"
                               "[]\n"
                               "token.issuer = moodle HS256 /etc/darasa/moodle.secret\n"
                               "token.issuer = sis RS256  /etc/sis.pem  kid=k2 audience=class\n"
                               "tls = auto";
    assert_int_equal(parse(&config, text, complaint, sizeof complaint), 0);
    assert_string_equal(config_text(config, "host"), "school.example");
    assert_string_equal(config_text(config, "client"), "/srv/# web");
    assert_string_equal(config_text(config, "jitsi_web"), "");
    assert_int_equal(config_number(config, "media.port"), 20000);
    assert_int_equal(config_number(config, "limits.rooms"), 1000);
    assert_int_equal(json_array_size(config_list(config, "media.public_address")), 2);
    json_t *settings = config_settings(config, "signal");
    assert_string_equal(json_string_value(json_object_get(settings, "xmpp.domain")), "meet.darasa");
    assert_null(json_object_get(settings, "limits.connections"));
    json_decref(settings);
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(config_set(config, "media.port", SLICE("7"), &out), 0);
    assert_int_equal(config_number(config, "media.port"), 7);
    assert_int_equal(config_set(config, "media.pork", SLICE("7"), &out), ERR_NOT_FOUND);
    buf_done(&out);
    config_free(&config);
}

static void test_complaints(void **state)
{
    (void)state;
    static const struct {
        const char *text, *complaint;
    } cases[] = {
        {"host = a\nhots = b\n", "line 2: unknown key 'hots'"},
        {"[media]\nhost = a\n", "line 2: unknown key 'host'"},
        {"media.port = 70000", "line 1: media.port must be a number from 0 to 65535"},
        {"media.port = -1", "line 1: media.port must be a number from 0 to 65535"},
        {"media.port = 1\nmedia.port = 2", "line 2: media.port is given twice"},
        {"host = a b", "line 1: host must be a name of letters, digits, dots and hyphens"},
        {"host", "line 1: a line is: key = value"},
        {"client = \"/srv", "line 1: a line is: key = value"},
        {"[media", "line 1: a section is [name]"},
        {"media.codecs = vp8 theora", "line 1: media.codecs must be some of: vp8 vp9 h264 av1"},
        {"media.codecs = vp8 vp8", "line 1: media.codecs must be some of: vp8 vp9 h264 av1"},
        {"log.level = loud", "line 1: log.level must be one of: error warn info debug"},
        {"listen.http = 1:2:3", "line 1: listen.http must be a port, address:port, off or auto"},
        {"media.public_address = here",
         "line 1: media.public_address must be an IPv4 or IPv6 address"},
        {"token.issuer = x none f",
         "line 1: token.issuer must be NAME HS256 or RS256, FILE, and audience=A or kid=K if "
         "wanted"},
        {"token.issuer = x HS256 f audience=", "line 1: token.issuer must be NAME HS256 or RS256, "
                                               "FILE, and audience=A or kid=K if wanted"},
        {"tls = files", "tls = files needs tls.certificate and tls.key"},
        {"tls = auto", "tls = auto needs host"},
        {"media.port = 53", "media.port below 1024 can be 443 or 80 only: browsers refuse others"},
        {"turn = yes", "turn needs host"},
        {"media.tcp = 1.2.3.4:1", "media.tcp is a port: the address is media.address"},
        {"client = \xff\xfe", "line 1: client must be UTF-8 text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config *config = NULL;
        char complaint[512];
        assert_int_equal(parse(&config, cases[i].text, complaint, sizeof complaint), ERR_FORMAT);
        assert_string_equal(complaint, cases[i].complaint);
        config_free(&config);
    }
}

/* What `config print` prints is a file that reads as all defaults. */
static void test_print_reads_back(void **state)
{
    (void)state;
    struct buf out;
    struct config *plain = NULL;
    struct config *back = NULL;
    char complaint[512];
    buf_init(&out, 1 << 20);
    config_print(&out);
    buf_add_byte(&out, 0);
    assert_false(out.failed);
    assert_int_equal(config_new(&plain), 0);
    if (parse(&back, (const char *)out.data, complaint, sizeof complaint) != 0)
        fail_msg("%s", complaint);
    static const char *const programs[] = {"edge", "signal", "web", "bridge"};
    for (size_t i = 0; i < 4; i++) {
        json_t *a = config_settings(plain, programs[i]);
        json_t *b = config_settings(back, programs[i]);
        assert_true(json_equal(a, b));
        json_decref(a);
        json_decref(b);
    }
    config_free(&plain);
    config_free(&back);
    buf_done(&out);
}

static void test_endpoints(void **state)
{
    (void)state;
    struct config_endpoint e;
    assert_int_equal(config_endpoint_parse(SLICE("8080"), &e), 0);
    assert_true(e.any_address && e.address.port == 8080);
    assert_int_equal(config_endpoint_parse(SLICE("127.0.0.1:80"), &e), 0);
    assert_true(!e.any_address && address_is_v4(&e.address) && e.address.port == 80);
    assert_int_equal(config_endpoint_parse(SLICE("[::1]:443"), &e), 0);
    assert_true(!address_is_v4(&e.address) && e.address.port == 443);
    assert_int_equal(config_endpoint_parse(SLICE("off"), &e), 0);
    assert_true(e.off);
    static const char *const bad[] = {"", ":", "x", "::1:80", "1.2.3.4:", "1.2.3.4:99999", "[]:1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(config_endpoint_parse(slice_str(bad[i]), &e), ERR_FORMAT);
}

static void test_issuers(void **state)
{
    (void)state;
    struct config_issuer issuer;
    assert_int_equal(config_issuer_parse(SLICE("moodle HS256 /etc/secret"), &issuer), 0);
    assert_true(slice_eq_str(issuer.file, "/etc/secret"));
    assert_true(slice_eq_str(issuer.audience, "*"));
    assert_int_equal(issuer.kid.len, 0);
    assert_int_equal(config_issuer_parse(SLICE("sis  RS256 k.pem kid=k2 audience=class"), &issuer),
                     0);
    assert_true(slice_eq_str(issuer.name, "sis") && slice_eq_str(issuer.algorithm, "RS256"));
    assert_true(slice_eq_str(issuer.kid, "k2") && slice_eq_str(issuer.audience, "class"));
    static const char *const wrong[] = {"",
                                        "a",
                                        "a HS256",
                                        "a HS256 ",
                                        "a HS512 f",
                                        "a HS256 f kid",
                                        "a HS256 f kid=",
                                        "a HS256 f other=1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(config_issuer_parse(slice_str(wrong[i]), &issuer), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),           cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_print_reads_back), cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_issuers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
