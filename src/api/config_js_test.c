/* The scripts as a bare engine sees them: node's vm without window or document, where there is a
 * node; else their text. */
#include "base/check.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/testing.h"

static const char check[] =
    "const vm=require('vm');let s='';process.stdin.on('data',d=>s+=d).on('end',()=>{"
    "const c=vm.createContext({});vm.runInContext(s,c);const k=c.config;const a=(x,m)=>{if(!x){"
    "console.error(m);process.exit(1)}};"
    "a(k.hosts.domain==='meet.example','domain');a(k.hosts.muc==='conference.meet.example','muc');"
    "a(k.websocket==='wss://school.example/xmpp-websocket','websocket');"
    "a(k.p2p.enabled===false,'p2p');a(typeof k.flags.ssrcRewritingEnabled==='boolean','rewriting');"
    "a(k.videoQuality.codecPreferenceOrder.join()==='VP8,AV1','codecs');a(!('bosh' in k),'bosh');"
    "a(k.disableThirdPartyRequests===true,'third "
    "parties');a(k.gravatar.disabled===true,'gravatar');"
    "a(k.xmppPing.interval===4000&&k.xmppPing.threshold===2,'ping');"
    "a(k.enableIceRestart===true,'ICE restart');"
    "a(k.analytics.disabled===true,'analytics');"
    "a(c.interfaceConfig.PROVIDER_NAME==='My School','provider');"
    "a(JSON.stringify(k).match(/https?:..(?!school)/)===null,'foreign host');"
    "process.exit(42)})";

/* The exit status of node given the script; 127: there is no node. */
static int evaluate(const char *script)
{
    int pipes[2], status = 0;
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(pipes[0], 0);
        (void)close(pipes[0]);
        (void)close(pipes[1]);
        (void)execlp("node", "node", "-e", check, (char *)NULL);
        _exit(127);
    }
    (void)close(pipes[0]);
    size_t len = strlen(script);
    /* Short enough for the pipe; without a reader the status tells. */
    if (write(pipes[1], script, len) != (ssize_t)len)
        print_message("node did not read\n");
    (void)close(pipes[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void scripts_evaluate_without_a_browser(void **state)
{
    (void)state;
    struct bench b;
    struct api_settings settings = {.url = "https://school.example",
                                    .domain = "meet.example",
                                    .codecs = "vp8 av1",
                                    .token_secret = {(const uint8_t *)"0123456789abcdef", 16}};
    bench_init(&b, &settings);
    assert_int_equal(bench_ask(&b, NULL, "GET", "/config.js", NULL), 200);
    assert_string_equal(bench_text(b.head, "headers.content-type"),
                        "text/javascript; charset=utf-8");
    char *script = strdup(b.body);
    assert_int_equal(bench_ask(&b, NULL, "GET", "/tenant/config.js", NULL), 200);
    assert_string_equal(b.body, script);
    assert_int_equal(bench_ask(&b, NULL, "GET", "/interface_config.js", NULL), 200);
    size_t len = strlen(script) + strlen(b.body) + 1;
    char *both = malloc(len);
    (void)snprintf(both, len, "%s%s", script, b.body);
    assert_memory_equal(script, "var config = {", 14);
    int status = evaluate(both);
    if (status == 127)
        print_message("no node here: only the text was looked at\n");
    else
        assert_int_equal(status, 42);
    free(script);
    free(both);
    bench_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(scripts_evaluate_without_a_browser)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
