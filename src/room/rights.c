#include "room/rights.h"

#include <string.h>

bool rights_staff(const struct token *token)
{
    return token->present && (token->moderator || strcmp(token->role, "teacher") == 0);
}

/* A token without a feature list leaves what every member of a plain Jitsi room may do. */
static bool allows(const struct token *token, enum token_feature feature)
{
    return !token->has_features || token->features[feature];
}

struct rights rights_of(const struct token *token, bool granted, const struct policy *policy)
{
    bool moderate = rights_staff(token) || granted;
    return (struct rights){
        .moderate = moderate,
        .microphone = moderate || policy->microphone,
        .camera = moderate || policy->camera,
        .screen = (moderate || policy->screen) && allows(token, TOKEN_SCREEN_SHARING),
        .chat = (moderate || policy->chat) && allows(token, TOKEN_SEND_GROUPCHAT),
        .private_chat =
            (moderate || policy->private_chat) && allows(token, TOKEN_SEND_PRIVATE_MESSAGE),
        .record = moderate && policy->record && allows(token, TOKEN_RECORDING),
    };
}

bool rights_feature(const struct token *token, const struct rights *rights,
                    enum token_feature feature)
{
    switch (feature) {
    case TOKEN_RECORDING:
        return rights->record;
    case TOKEN_SCREEN_SHARING:
        return rights->screen;
    case TOKEN_SEND_GROUPCHAT:
        return rights->chat;
    case TOKEN_SEND_PRIVATE_MESSAGE:
        return rights->private_chat;
    case TOKEN_FLIP:
    case TOKEN_MODERATION:
    case TOKEN_ROOM:
        return rights->moderate && allows(token, feature);
    default:
        return false; /* there is nothing behind it here */
    }
}
